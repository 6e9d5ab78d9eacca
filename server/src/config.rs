//! The settings, parsed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use roadstead_registry::Limits;

use crate::settings::Loaded;
use crate::telemetry::LogFormat;

/// Everything that the server needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) data_dir: PathBuf,
    pub(crate) external_url: String,
    pub(crate) database_url: String,
    pub(crate) database_connections: u32,
    pub(crate) blobs: PathBuf,
    pub(crate) admin_password: String,
    pub(crate) secret_key: String,
    pub(crate) overwrite_json: String,
    pub(crate) ca_cert: Option<PathBuf>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) drain_timeout: Duration,
    pub(crate) job_interval: Duration,
    pub(crate) limits: Limits,
}

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Config {
    pub(crate) fn from_settings(loaded: &Loaded) -> anyhow::Result<Self> {
        let address = str::parse::<SocketAddr>;
        let duration = |key: &str| loaded.parse(key, humantime::parse_duration);
        let at_least = |key: &str, least: Duration| {
            loaded.parse(key, |text| match humantime::parse_duration(text) {
                Ok(found) if found >= least => Ok(found),
                Ok(_) => Err(format!("must be at least {}", humantime::format_duration(least))),
                Err(error) => Err(error.to_string()),
            })
        };
        let data_dir = PathBuf::from(loaded.text("data_dir"));
        let admin_listen = match loaded.text("admin_listen") {
            "off" => None,
            _ => Some(loaded.parse("admin_listen", address)?),
        };
        Ok(Self {
            listen: loaded.parse("listen", address)?,
            admin_listen,
            external_url: loaded.parse("external_url", external_url)?,
            database_url: database_url(loaded, &data_dir)?,
            database_connections: loaded.parse("database_connections", connections)?,
            blobs: blobs(loaded, &data_dir)?,
            data_dir,
            admin_password: loaded.text("admin_password").to_owned(),
            secret_key: loaded.text("secret_key").to_owned(),
            overwrite_json: loaded.text("config_overwrite_json").to_owned(),
            ca_cert: Some(loaded.text("ca_cert")).filter(|p| !p.is_empty()).map(PathBuf::from),
            tls: tls(loaded)?,
            log: loaded.text("log").to_owned(),
            log_format: loaded.parse("log_format", str::parse::<LogFormat>)?,
            drain_timeout: duration("drain_timeout")?,
            job_interval: at_least("job_interval", Duration::from_millis(100))?,
            limits: Limits {
                sparse_indexes: loaded.parse("sparse_indexes", str::parse)?,
                sparse_images: loaded.parse("sparse_images", str::parse)?,
                strict_immutability: loaded.parse("strict_immutability", str::parse)?,
                upload_expiry: at_least("upload_expiry", Duration::from_secs(1))?,
                body_idle: at_least("body_idle_timeout", Duration::from_millis(100))?,
                lease: duration("blob_lease")?,
                grace: duration("deletion_grace")?,
                verify_after: duration("verify_after")?,
                ..Limits::default()
            },
        })
    }

    /// Whether clients reach the server by https, directly or through a proxy.
    pub(crate) fn https(&self) -> bool {
        self.external_url.starts_with("https://")
            || (self.external_url.is_empty() && self.tls.is_some())
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

fn external_url(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        _ if text.is_empty() => Ok(String::new()),
        Some(host) if !host.is_empty() && !host.contains('/') => Ok(text.to_owned()),
        _ => Err("must be http:// or https:// and a host, without a path"),
    }
}

fn connections(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or("must be a number from 1 to 1000")
}

fn database_url(loaded: &Loaded, data_dir: &std::path::Path) -> anyhow::Result<String> {
    match loaded.text("database_url") {
        "" => Ok(format!("sqlite:{}", data_dir.join("roadstead.db").display())),
        url if url.starts_with("sqlite:") => Ok(url.to_owned()),
        // Not printed: it may carry a password.
        _ => bail!("database_url: this version keeps its data in SQLite only; use sqlite:<path>"),
    }
}

fn blobs(loaded: &Loaded, data_dir: &std::path::Path) -> anyhow::Result<PathBuf> {
    match loaded.text("storage_url") {
        "" => Ok(data_dir.join("blobs")),
        url => match url.strip_prefix("file:") {
            Some(path) => Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path))),
            None => bail!("storage_url: this version keeps blobs on a disk only; use file:<path>"),
        },
    }
}

fn tls(loaded: &Loaded) -> anyhow::Result<Option<TlsFiles>> {
    match (loaded.text("tls_cert"), loaded.text("tls_key")) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => bail!("tls_cert and tls_key must be set together"),
        (cert, key) => Ok(Some(TlsFiles { cert: cert.into(), key: key.into() })),
    }
}
