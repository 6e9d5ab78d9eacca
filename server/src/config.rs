//! The settings, parsed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use roadstead_jobs::{Policy, Untagged, webhooks};
use roadstead_registry::Limits;
use roadstead_storage::Options;
use roadstead_storage::blobs::Location;

use crate::listener::{Manners, Patience};
use crate::proxies::{self, Dialect, Proxies};
use crate::settings::Loaded;
use crate::telemetry::LogFormat;

mod outbound;
mod storage;

/// Everything that the server needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) data_dir: PathBuf,
    /// Whether several servers may share the database.
    pub(crate) shared_database: bool,
    /// Whether several servers may share the blobs.
    pub(crate) shared_blobs: bool,
    pub(crate) external_url: String,
    pub(crate) database: Options,
    pub(crate) blobs: Location,
    pub(crate) admin_password: String,
    pub(crate) secret_key: String,
    pub(crate) overwrite_json: String,
    pub(crate) ca_cert: Option<PathBuf>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) proxies: Proxies,
    pub(crate) drain_delay: Duration,
    pub(crate) manners: Manners,
    pub(crate) job_interval: Duration,
    /// In which time every blob is read; None for never.
    pub(crate) scrub_interval: Option<Duration>,
    pub(crate) collection: Policy,
    pub(crate) webhooks: webhooks::Settings,
    pub(crate) limits: Limits,
}

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// What collection may take, and how fast.
fn collection(loaded: &Loaded) -> anyhow::Result<Policy> {
    let duration = |key: &str| loaded.parse(key, humantime::parse_duration);
    Ok(Policy {
        grace: duration("deletion_grace")?,
        lease: duration("blob_lease")?,
        undelete: duration("undelete_window")?,
        tag_history: match loaded.text("tag_history") {
            "off" => None,
            _ => Some(duration("tag_history")?),
        },
        untagged: Untagged {
            after: loaded.parse("untagged_manifests", untagged_age)?,
            keep: loaded.parse("untagged_keep", natural)?,
        },
        rate: loaded.parse("collection_rate", str::parse)?,
        workers: loaded.parse("collection_workers", workers)?,
    })
}

impl Config {
    pub(crate) fn from_settings(loaded: &Loaded) -> anyhow::Result<Self> {
        let address = str::parse::<SocketAddr>;
        let duration = |key: &str| loaded.parse(key, humantime::parse_duration);
        let at_least = |key: &str, least: Duration| at_least(loaded, key, least);
        let data_dir = PathBuf::from(loaded.text("data_dir"));
        let admin_listen = match loaded.text("admin_listen") {
            "off" => None,
            _ => Some(loaded.parse("admin_listen", address)?),
        };
        Ok(Self {
            listen: loaded.parse("listen", address)?,
            admin_listen,
            external_url: loaded.parse("external_url", external_url)?,
            database: database(loaded, &data_dir)?,
            blobs: storage::location(loaded, &data_dir)?,
            data_dir,
            shared_database: loaded.text("database_url").starts_with("postgres"),
            shared_blobs: !matches!(
                loaded.text("storage_url").split_once(':'),
                None | Some(("file", _))
            ),
            admin_password: loaded.text("admin_password").to_owned(),
            secret_key: loaded.text("secret_key").to_owned(),
            overwrite_json: loaded.text("config_overwrite_json").to_owned(),
            ca_cert: Some(loaded.text("ca_cert")).filter(|p| !p.is_empty()).map(PathBuf::from),
            tls: tls(loaded)?,
            log: loaded.text("log").to_owned(),
            log_format: loaded.parse("log_format", str::parse::<LogFormat>)?,
            proxies: proxies(loaded)?,
            drain_delay: duration("drain_delay")?,
            manners: manners(loaded)?,
            scrub_interval: match loaded.text("scrub_interval") {
                "off" => None,
                _ => Some(at_least("scrub_interval", Duration::from_mins(1))?),
            },
            job_interval: at_least("job_interval", Duration::from_millis(10))?,
            collection: collection(loaded)?,
            webhooks: outbound::webhooks(loaded)?,
            limits: Limits {
                sparse_indexes: loaded.parse("sparse_indexes", str::parse)?,
                sparse_images: loaded.parse("sparse_images", str::parse)?,
                strict_immutability: loaded.parse("strict_immutability", str::parse)?,
                upload_expiry: at_least("upload_expiry", Duration::from_secs(1))?,
                body_idle: at_least("body_idle_timeout", Duration::from_millis(100))?,
                lease: duration("blob_lease")?,
                grace: duration("deletion_grace")?,
                undelete: duration("undelete_window")?,
                redirect: storage::redirect(loaded, duration("deletion_grace")?)?,
                verify_after: duration("verify_after")?,
                ..Limits::default()
            },
        })
    }

    /// What is kept on this machine, and the setting that keeps it elsewhere. Nothing is for a
    /// server that is one of many; it writes no file.
    pub(crate) fn kept_here(&self) -> Vec<&'static str> {
        let database = "the database (ROADSTEAD_DATABASE_URL=postgres://... keeps it elsewhere)";
        let blobs = "the blobs (ROADSTEAD_STORAGE_URL=s3://..., gs://... or az://... keeps them \
                     elsewhere)";
        let kept = [(self.shared_database, database), (self.shared_blobs, blobs)];
        kept.into_iter().filter(|(shared, _)| !shared).map(|(_, what)| what).collect()
    }

    /// Whether clients reach the server by https; None when that depends on the proxy.
    pub(crate) fn https(&self) -> Option<bool> {
        (!self.external_url.is_empty()).then(|| self.external_url.starts_with("https://"))
    }

    /// The address to show to people.
    pub(crate) fn url(&self) -> String {
        if self.external_url.is_empty() {
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", self.listen)
        } else {
            self.external_url.clone()
        }
    }
}

fn at_least(loaded: &Loaded, key: &str, least: Duration) -> anyhow::Result<Duration> {
    loaded.parse(key, |text| match humantime::parse_duration(text) {
        Ok(found) if found >= least => Ok(found),
        Ok(_) => Err(format!("must be at least {}", humantime::format_duration(least))),
        Err(error) => Err(error.to_string()),
    })
}

fn proxies(loaded: &Loaded) -> anyhow::Result<Proxies> {
    let networks = loaded.parse("trusted_proxies", proxies::networks)?;
    let dialect = loaded.parse("forwarded_header", str::parse::<Dialect>)?;
    Ok(Proxies::new(networks, dialect))
}

fn manners(loaded: &Loaded) -> anyhow::Result<Manners> {
    let limit = |key: &str| at_least(loaded, key, Duration::from_millis(100));
    Ok(Manners {
        most: loaded.parse("max_connections", max_connections)?,
        patience: Patience {
            head: limit("head_timeout")?,
            idle: limit("keep_alive_timeout")?,
            stall: limit("write_idle_timeout")?,
        },
        drain: loaded.parse("drain_timeout", humantime::parse_duration)?,
    })
}

fn max_connections(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.ok_or("must be a number from 1 to 1000000")
}

fn external_url(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        _ if text.is_empty() => Ok(String::new()),
        Some(host) if !host.is_empty() && !host.contains('/') => Ok(text.to_owned()),
        _ => Err("must be http:// or https:// and a host, without a path"),
    }
}

/// None for ever.
fn untagged_age(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "keep" => Ok(None),
        _ => match humantime::parse_duration(text) {
            Ok(age) => Ok(Some(age)),
            Err(error) => Err(format!("must be \"keep\" or a time like 30days ({error})")),
        },
    }
}

fn natural(text: &str) -> Result<i64, &'static str> {
    let number = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or("must be a whole number that is not negative")
}

fn workers(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=10).contains(number));
    number.ok_or("must be a number from 1 to 10")
}

fn connections(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or("must be a number from 1 to 1000")
}

fn database(loaded: &Loaded, data_dir: &std::path::Path) -> anyhow::Result<Options> {
    let url = match loaded.text("database_url") {
        "" => format!("sqlite:{}", data_dir.join("roadstead.db").display()),
        url if url.starts_with("sqlite:") => url.to_owned(),
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => url.to_owned(),
        // Not printed: it may carry a password.
        _ => bail!("database_url: use sqlite:<path> or postgres://<user>@<host>/<database>"),
    };
    let patience = |key: &str| {
        loaded.parse(key, |text| match humantime::parse_duration(text) {
            Ok(found) if found >= Duration::from_millis(100) => Ok(found),
            Ok(_) => Err("must be at least 100ms".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    };
    let mut options = Options::new(url);
    options.connections = loaded.parse("database_connections", connections)?;
    options.acquire_timeout = patience("database_acquire_timeout")?;
    options.statement_timeout = patience("database_statement_timeout")?;
    options.lock_timeout = patience("database_lock_timeout")?;
    options.start_timeout = patience("database_start_timeout")?;
    Ok(match loaded.text("database_password") {
        "" => options,
        password => options.password(password),
    })
}

fn tls(loaded: &Loaded) -> anyhow::Result<Option<TlsFiles>> {
    match (loaded.text("tls_cert"), loaded.text("tls_key")) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => bail!("tls_cert and tls_key must be set together"),
        (cert, key) => Ok(Some(TlsFiles { cert: cert.into(), key: key.into() })),
    }
}
