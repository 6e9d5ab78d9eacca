//! `roadstead serve`: from a configuration to a running server, and down again.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::rand;
use axum::Router;
use axum::middleware;
use roadstead_auth::{Auth, SecretKey, accounts};
use roadstead_jobs::Worker;
use roadstead_model::{Clock, ProjectName, SystemClock};
use roadstead_registry::Registry;
use roadstead_storage::{Blobs, Db};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::banner::{self, Generated};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::metrics::Metrics;
use crate::{admin_http, keys, listener, request, tls};

/// The project that exists from the beginning, and is public.
const FIRST_PROJECT: &str = "library";
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
    let data_dir = DataDir::take(&config.data_dir)?;
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    // Bound before anything is made, so that a taken port leaves nothing behind.
    let public = listener::bind(config.listen, "ROADSTEAD_LISTEN").await?;
    config.listen = public.local_addr()?;
    let admin = match config.admin_listen {
        Some(address) => Some(listener::bind(address, "ROADSTEAD_ADMIN_LISTEN").await?),
        None => None,
    };
    let parts = open(&config, &data_dir).await?;
    let password = first_start(&config, &data_dir, &parts).await?;
    let metrics = Metrics::new();
    let stop = CancellationToken::new();
    let worker = Worker::new(
        parts.db.clone(),
        parts.blobs.clone(),
        parts.clock.clone(),
        config.limits.grace,
    );
    let worker = tokio::spawn(worker.await?.run(config.job_interval, stop.clone()));
    if let Some(admin) = admin {
        let routes = admin_http::routes(parts.db.clone(), metrics.clone(), stop.clone());
        // Lives on while the server drains, so that probes see it drain.
        tokio::spawn(listener::serve(
            admin,
            None,
            routes,
            CancellationToken::new(),
            config.drain_timeout,
        ));
    }
    let file = data_dir.file(ADMIN_PASSWORD_FILE);
    let generated = password.as_ref().map(|password| Generated { password, file: &file });
    banner::print(&config.url(), &config.data_dir, generated.as_ref());
    stop_on_signal(stop.clone())?;
    let router = router(&config, parts, metrics);
    listener::serve(public, tls, router, stop, config.drain_timeout).await?;
    worker.await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
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

async fn open(config: &Config, data_dir: &DataDir) -> anyhow::Result<Parts> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = Db::open(&config.database_url, config.database_connections)
        .await
        .context("cannot open the database")?;
    let blobs = Blobs::open(config.blobs.clone()).await.context("cannot open the blob store")?;
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
fn secret_key(config: &Config, data_dir: &DataDir) -> anyhow::Result<SecretKey> {
    if let Some(key) = keys::secret_key(config)? {
        return Ok(key);
    }
    let key = SecretKey::generate()?;
    data_dir.write_secret(keys::SECRET_KEY_FILE, &key.to_base64())?;
    Ok(key)
}

/// Makes the administrator and the first project; returns the password, if it was generated.
async fn first_start(
    config: &Config,
    data_dir: &DataDir,
    parts: &Parts,
) -> anyhow::Result<Option<String>> {
    let mut generated = None;
    if !accounts::has_admin(&parts.db).await? {
        let password = if config.admin_password.is_empty() {
            let password = random_password()?;
            // Before the account: a crash in between leaves a file that the next start replaces.
            data_dir.write_secret(ADMIN_PASSWORD_FILE, &format!("{password}\n"))?;
            generated = Some(password.clone());
            password
        } else {
            config.admin_password.clone()
        };
        accounts::create_admin(&parts.db, &password, &*parts.clock).await?;
    }
    let name: ProjectName = FIRST_PROJECT.parse()?;
    accounts::create_first_project(&parts.db, &name, &*parts.clock).await?;
    Ok(generated)
}

/// 24 characters of an alphabet without look-alikes: more than 130 bits.
fn random_password() -> anyhow::Result<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut password = String::new();
    while password.len() < 24 {
        let mut byte = [0];
        rand::fill(&mut byte).map_err(|_| anyhow::anyhow!("no randomness"))?;
        // Bytes beyond the last whole multiple are left out, so that no character is favoured.
        let index = usize::from(byte[0]);
        if index < 256 - 256 % ALPHABET.len() {
            password.push(char::from(ALPHABET[index % ALPHABET.len()]));
        }
    }
    Ok(password)
}

fn router(config: &Config, parts: Parts, metrics: Arc<Metrics>) -> Router {
    let (api, _) = roadstead_api::routes(roadstead_api::Parts {
        db: parts.db,
        auth: parts.auth.clone(),
        registry: parts.registry.clone(),
        blobs: parts.blobs,
        clock: parts.clock,
        external_url: config.url().into(),
        ca: parts.ca,
    });
    Router::new()
        .merge(roadstead_registry::http::routes(parts.registry, parts.auth.clone(), config.https()))
        .merge(roadstead_auth::http::routes(parts.auth))
        .merge(api)
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(middleware::from_fn_with_state(metrics, request::observe))
}

/// SIGTERM and SIGINT drain; a second one ends at once.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining: no new connections, running requests finish");
        stop.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
    Ok(())
}
