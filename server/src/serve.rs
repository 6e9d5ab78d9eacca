//! `roadstead serve`: from a configuration to a running server, and down again.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use roadstead_auth::{Auth, SecretKey, accounts, randomness};
use roadstead_jobs::{Worker, webhooks};
use roadstead_model::{Clock, ProjectName, SystemClock};
use roadstead_registry::Registry;
use roadstead_registry::http::Protocol;
use roadstead_storage::{Ballast, Blobs, Db};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::banner::{self, Generated};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::front::Front;
use crate::listener::{Manners, Stop};
use crate::metrics::{Metrics, Told};
use crate::readiness::Readiness;
use crate::request::Around;
use crate::{admin_http, ballast, keys, listener, tls};

/// The project that exists from the beginning, and is public.
const FIRST_PROJECT: &str = "library";
/// How many may ask for health and metrics at once.
const MOST_PROBES: usize = 256;
/// How often pulls are counted.
const PULLS: Duration = Duration::from_secs(2);
const ADMIN_PASSWORD_FILE: &str = "initial-admin-password";

/// What the server is made of.
struct Parts {
    db: Db,
    blobs: Blobs,
    auth: Auth,
    registry: Registry,
    clock: Arc<dyn Clock>,
    ca: Option<Arc<str>>,
}

/// Runs the server until it is told to stop.
pub(crate) async fn run(mut config: Config) -> anyhow::Result<ExitCode> {
    raise_file_limit();
    let data_dir = DataDir::of(&config)?;
    let data_dir = data_dir.as_ref();
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    // Bound before anything is made, so that a taken port leaves nothing behind.
    let public = listener::bind(config.listen, "ROADSTEAD_LISTEN").await?;
    config.listen = public.local_addr()?;
    let admin = match config.admin_listen {
        Some(address) => Some(listener::bind(address, "ROADSTEAD_ADMIN_LISTEN").await?),
        None => None,
    };
    let ballast = Ballast::of(&config.database);
    // A full disk would not even let the database open.
    ballast.as_ref().inspect(|ballast| ballast::tend(ballast));
    let parts = open(&config, data_dir).await?;
    let generated = first_start(&config, data_dir, &parts).await?;
    let stop = Stop::default();
    let (db, blobs, clock) = (parts.db.clone(), parts.blobs.clone(), parts.clock.clone());
    let worker = Worker::new(db, blobs, clock, config.collection.clone()).await?;
    let teller = teller(&config, &parts);
    let told = Told { figures: teller.figures(), dropped: parts.registry.dropped_pulls() };
    let metrics = Metrics::new(worker.figures(), told);
    let worker = worker.telling(teller);
    let served = CancellationToken::new();
    let pulls = keep_telling_of_pulls(parts.registry.clone(), served.clone());
    let worker = tokio::spawn(worker.run(config.job_interval, stop.draining.clone()));
    tokio::spawn(ballast::keep(ballast, stop.draining.clone()));
    if let Some(interval) = config.scrub_interval {
        let (db, blobs, clock) = (parts.db.clone(), parts.blobs.clone(), parts.clock.clone());
        let draining = stop.draining.clone();
        tokio::spawn(roadstead_jobs::keep_scrubbing(db, blobs, clock, interval, draining));
    }
    if let Some(admin) = admin {
        let readiness = Readiness::new(parts.db.clone(), parts.blobs.clone());
        let (metrics, draining) = (metrics.clone(), stop.draining.clone());
        let routes = admin_http::routes(readiness, parts.registry.clone(), metrics, draining);
        let manners = Manners { most: MOST_PROBES, ..config.manners.clone() };
        // Lives on while the server drains, so that probes see it drain.
        tokio::spawn(listener::serve(admin, None, routes, Stop::default(), manners));
    }
    let directory = data_dir.map(|_| config.data_dir.as_path());
    banner::print(&config.url(), directory, generated.as_ref());
    stop_on_signal(stop.clone(), config.drain_delay)?;
    let registry = parts.registry.clone();
    let counts = tokio::spawn(look_after(registry.clone(), stop.closing.clone()));
    let front = front(&config, parts, metrics);
    listener::serve(public, tls, front, stop, config.manners).await?;
    registry.settle_uploads().await;
    served.cancel();
    pulls.await?;
    counts.await?;
    if let Err(error) = registry.write_counts().await {
        tracing::warn!(%error, "the last pulls were not counted");
    }
    worker.await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// What the registry does beside its requests: what an older version stored is looked at, and pulls
/// are counted.
async fn look_after(registry: Registry, stop: CancellationToken) {
    match stop.run_until_cancelled(registry.describe_all()).await {
        Some(Ok(0)) | None => {}
        Some(Ok(manifests)) => tracing::info!(manifests, "it was looked at what they are"),
        Some(Err(error)) => tracing::warn!(%error, "not every artifact was looked at"),
    }
    registry.keep_writing_counts(PULLS, stop.cancelled()).await;
}

/// Tells of what happens, with the address that clients know.
fn teller(config: &Config, parts: &Parts) -> webhooks::Teller {
    let url = config.url();
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host).to_owned();
    let settings = webhooks::Settings { host, ..config.webhooks.clone() };
    webhooks::Teller::new(settings, parts.auth.webhooks())
}

/// Pulls are told of while requests run, and those of the last ones as well.
fn keep_telling_of_pulls(registry: Registry, served: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move { registry.keep_telling_of_pulls(served).await })
}

/// Every connection and every blob being served is an open file; shells allow few by default.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

async fn open(config: &Config, data_dir: Option<&DataDir>) -> anyhow::Result<Parts> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = Db::connect(&config.database).await.context("cannot open the database")?;
    let blobs = Blobs::open(config.blobs.clone()).await.context("cannot open the blob store")?;
    blobs.probe().await.context("the blob store does not work")?;
    let secret = secret_key(config, data_dir)?;
    let auth = Auth::new(db.clone(), &secret, clock.clone(), &config.url()).await?;
    let registry =
        Registry::new(db.clone(), blobs.clone(), clock.clone(), config.limits.clone()).await?;
    if !config.overwrite_json.is_empty() {
        let fixed = auth.fix_configuration(&config.overwrite_json).await;
        fixed.context("ROADSTEAD_CONFIG_OVERWRITE_JSON")?;
    }
    let ca = config.ca_cert.as_deref().map(tls::public_certificate).transpose()?;
    Ok(Parts { db, blobs, auth, registry, clock, ca })
}

/// The configured key, the one that was generated before, or a new one.
fn secret_key(config: &Config, data_dir: Option<&DataDir>) -> anyhow::Result<SecretKey> {
    if let Some(key) = keys::secret_key(config)? {
        return Ok(key);
    }
    // Servers that share a database must share the key, and cannot agree on one by themselves.
    let (false, Some(data_dir)) = (config.shared_database, data_dir) else {
        bail!(
            "there is no secret key, which all servers of a database share; make one with \
             `openssl rand -base64 32` and give it to each as ROADSTEAD_SECRET_KEY, or in a file \
             that ROADSTEAD_SECRET_KEY_FILE names"
        );
    };
    let key = SecretKey::generate()?;
    data_dir.write_secret(keys::SECRET_KEY_FILE, &key.to_base64())?;
    Ok(key)
}

/// Makes the administrator and the first project; returns the password, if it was generated.
/// Several servers may start at once: one of them makes each.
async fn first_start(
    config: &Config,
    data_dir: Option<&DataDir>,
    parts: &Parts,
) -> anyhow::Result<Option<Generated>> {
    let mut generated = None;
    if !accounts::has_admin(&parts.db).await? {
        let password = if config.admin_password.is_empty() {
            generated.insert(generate_password(data_dir)?).password.clone()
        } else {
            config.admin_password.clone()
        };
        let made = accounts::create_admin(&parts.db, &password, &*parts.clock).await?;
        if !made
            && generated.take().is_some()
            && let Some(data_dir) = data_dir
        {
            // Another server on the same database was quicker; its password is the one.
            data_dir.remove(ADMIN_PASSWORD_FILE)?;
        }
    }
    let name: ProjectName = FIRST_PROJECT.parse()?;
    accounts::create_first_project(&parts.db, &name, &*parts.clock).await?;
    Ok(generated)
}

/// Makes a password and writes it down before there is an account: a crash in between leaves a
/// file that the next start replaces.
fn generate_password(data_dir: Option<&DataDir>) -> anyhow::Result<Generated> {
    let Some(data_dir) = data_dir else {
        bail!(
            "there is no administrator yet, and no directory to write a generated password to; \
             set ROADSTEAD_ADMIN_PASSWORD, or ROADSTEAD_ADMIN_PASSWORD_FILE to a file with it"
        );
    };
    let password = random_password()?;
    let file = data_dir.write_secret(ADMIN_PASSWORD_FILE, &format!("{password}\n"))?;
    Ok(Generated { password, file })
}

/// 24 characters of an alphabet without look-alikes: more than 130 bits.
fn random_password() -> anyhow::Result<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut password = String::new();
    while password.len() < 24 {
        let mut byte = [0];
        randomness::fill(&mut byte)?;
        // Bytes beyond the last whole multiple are left out, so that no character is favoured.
        let index = usize::from(byte[0]);
        if index < 256 - 256 % ALPHABET.len() {
            password.push(char::from(ALPHABET[index % ALPHABET.len()]));
        }
    }
    Ok(password)
}

fn front(config: &Config, parts: Parts, metrics: Arc<Metrics>) -> Front {
    let around = Around {
        metrics,
        proxies: config.proxies.clone(),
        https: config.https(),
        tls: config.tls.is_some(),
    };
    let (api, _) = roadstead_api::routes(roadstead_api::Parts {
        db: parts.db,
        auth: parts.auth.clone(),
        registry: parts.registry.clone(),
        blobs: parts.blobs,
        clock: parts.clock,
        external_url: config.url().into(),
        ca: parts.ca,
    });
    let protocol = Protocol::new(parts.registry, parts.auth.clone());
    let rest = Router::new().merge(roadstead_auth::http::routes(parts.auth)).merge(api);
    Front::new(around, protocol, rest)
}

/// SIGTERM and SIGINT drain: probes are told first, and after a delay nobody is let in any more. A
/// second one ends at once.
fn stop_on_signal(stop: Stop, delay: Duration) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.draining.cancel();
        let close = async {
            if !delay.is_zero() {
                tracing::info!(?delay, "draining: not ready for new requests");
                tokio::time::sleep(delay).await;
            }
            tracing::info!("draining: no new connections, running requests finish");
            stop.closing.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = close => {}
        }
        std::process::exit(1);
    });
    Ok(())
}
