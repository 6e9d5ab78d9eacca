//! Where settings come from: defaults, over them the file, the environment, the flags.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};

/// A setting that exists. Its variable is `ROADSTEAD_` and its key in upper case.
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    default: &'static str,
    secret: bool,
    help: &'static str,
}

const fn setting(key: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { key, default, secret: false, help }
}

const fn secret(key: &'static str, help: &'static str) -> Setting {
    Setting { key, default: "", secret: true, help }
}

/// Every setting there is.
pub(crate) const SETTINGS: &[Setting] = &[
    setting("listen", "127.0.0.1:8080", "the address that clients and browsers use"),
    setting(
        "admin_listen",
        "127.0.0.1:8081",
        "the address for health and metrics; \"off\" for none",
    ),
    setting("data_dir", "data", "the database, the blobs and the generated secrets"),
    setting("external_url", "", "the address that clients reach the server at, behind a proxy"),
    setting(
        "database_url",
        "",
        "sqlite:<path> or postgres://<user>@<host>/<database>; a file in the data directory when \
         empty",
    ),
    secret("database_password", "the password of PostgreSQL, above one in database_url"),
    setting(
        "database_connections",
        "8",
        "how many connections read at once, and with PostgreSQL as many that write",
    ),
    setting(
        "database_acquire_timeout",
        "5s",
        "how long a request waits for a connection before it is answered 503",
    ),
    setting("database_statement_timeout", "30s", "how long PostgreSQL may work on a statement"),
    setting(
        "database_lock_timeout",
        "5s",
        "how long a statement waits for another transaction in PostgreSQL",
    ),
    setting("database_start_timeout", "30s", "how long to wait at the start for PostgreSQL"),
    setting(
        "storage_url",
        "",
        "file:<path>, s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or az://<container>/<prefix>; \
         a directory in the data directory when empty",
    ),
    setting("storage_endpoint", "", "where the object store is, if it is not the provider's own"),
    setting("storage_region", "", "the region of S3 that requests are signed for"),
    setting(
        "storage_path_style",
        "auto",
        "true: the bucket is in the path, false: in the host, auto: in the path of an endpoint",
    ),
    secret("storage_access_key_id", "the id of a key of S3; otherwise AWS_*, a profile or a role"),
    secret("storage_secret_access_key", "the key of S3"),
    secret("storage_session_token", "the token that goes with a temporary key of S3"),
    setting("storage_profile", "", "a profile of the AWS tools"),
    setting("storage_google_credentials", "", "a file of Google credentials; otherwise GOOGLE_*"),
    setting("storage_account", "", "the storage account of Azure; otherwise AZURE_*"),
    secret("storage_account_key", "its key"),
    secret("storage_sas_token", "a shared access signature instead of the key"),
    setting("storage_ca_cert", "", "a file in PEM with certificates of the store to trust as well"),
    setting("storage_part_size", "8MiB", "how large the parts of uploads to an object store are"),
    setting(
        "storage_upload_memory",
        "256MiB",
        "how much memory all uploads to an object store take together",
    ),
    setting("storage_redirect", "off", "on: clients read blobs from the object store directly"),
    setting(
        "storage_redirect_lifetime",
        "10m",
        "how long the address works that a client is sent to",
    ),
    setting(
        "storage_redirect_except",
        "",
        "networks whose clients cannot reach the object store, as 10.0.0.0/8, with commas",
    ),
    setting("storage_public_endpoint", "", "where clients reach the object store, if elsewhere"),
    secret("admin_password", "the administrator's first password; generated when empty"),
    secret(
        "secret_key",
        "32 bytes in base64 that seal secrets in the database (while it is exchanged: the new one, \
         a comma, the old one); generated when empty",
    ),
    secret(
        "config_overwrite_json",
        "a JSON object of configuration keys, stored at every start; the API then changes none",
    ),
    setting("ca_cert", "", "a file in PEM that clients must trust; they get it from the API"),
    setting("tls_cert", "", "a file with the certificate chain in PEM; https when set"),
    setting("tls_key", "", "a file with the private key in PEM"),
    setting("log", "info", "error, warn, info, debug, trace, or a filter as of tracing"),
    setting("log_format", "auto", "text, json, or auto: text on a terminal, json elsewhere"),
    setting(
        "trusted_proxies",
        "",
        "networks like 10.0.0.0/8, with commas, whose word on a client's address is believed",
    ),
    setting(
        "forwarded_header",
        "x-forwarded",
        "what trusted proxies write: x-forwarded (X-Forwarded-For, -Proto, -Host) or forwarded",
    ),
    setting("max_connections", "20000", "how many clients may be connected; more wait"),
    setting("head_timeout", "10s", "how long a client may take to send the head of a request"),
    setting("keep_alive_timeout", "120s", "how long a connection may do nothing between requests"),
    setting("write_idle_timeout", "60s", "how long a client may take nothing of an answer"),
    setting(
        "drain_delay",
        "0s",
        "how long /readyz is red after SIGTERM while requests are still taken, so that a proxy \
         notices",
    ),
    setting("drain_timeout", "25s", "how long running requests may take to finish after SIGTERM"),
    setting("sparse_indexes", "false", "accept indexes whose manifests were not pushed"),
    setting("sparse_images", "false", "accept images whose blobs were not pushed"),
    setting(
        "strict_immutability",
        "false",
        "refuse to push an immutable tag again even with what it names, as Harbor does",
    ),
    setting("upload_expiry", "24h", "how long an upload session lives after its last bytes"),
    setting("body_idle_timeout", "60s", "how long a client may send nothing inside of a body"),
    setting("blob_lease", "24h", "how long a pushed blob is promised to stay without a manifest"),
    setting(
        "deletion_grace",
        "24h",
        "how long the bytes of what was collected stay, for those who are reading them",
    ),
    setting(
        "undelete_window",
        "7d",
        "how long what is deleted can be brought back, unless its project says otherwise; 0s: not",
    ),
    setting("tag_history", "365d", "how long it is remembered what tags named; off: for ever"),
    setting(
        "untagged_manifests",
        "keep",
        "how long manifests without a tag stay that nothing refers to; keep: for ever",
    ),
    setting("untagged_keep", "0", "how many of them stay in each repository anyway, the newest"),
    setting("collection_rate", "2000", "rows that collection looks at in a second; 0: unlimited"),
    setting("collection_workers", "1", "how many batches are collected at once, from 1 to 10"),
    setting(
        "verify_after",
        "24h",
        "how old a blob's last verification may be to serve it unhashed",
    ),
    setting(
        "scrub_interval",
        "30d",
        "in which time every blob is read and compared with its digest; \"off\" for never",
    ),
    setting(
        "webhook_networks",
        "",
        "networks like 10.0.0.0/8, with commas, that webhooks may reach beside the internet",
    ),
    setting("webhook_attempts", "3", "how often a webhook is tried, from 1 to 10"),
    setting(
        "webhook_backoff",
        "10s",
        "how long a webhook that failed waits; after each more failure four times as long",
    ),
    setting("webhook_timeout", "3s", "how long the receiver of a webhook may take to answer"),
    setting("job_interval", "60s", "how often background work looks for something to do"),
];

/// A value and where it comes from.
#[derive(Clone, Debug)]
struct Value {
    text: String,
    origin: String,
}

/// The settings that are in force.
#[derive(Debug)]
pub(crate) struct Loaded(BTreeMap<&'static str, Value>);

/// Reads every source.
pub(crate) fn load(file: Option<&Path>, flags: &[(String, String)]) -> anyhow::Result<Loaded> {
    let variables = |name: &str| std::env::var(name).ok();
    load_from(file, flags, variables)
}

fn load_from(
    file: Option<&Path>,
    flags: &[(String, String)],
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded(BTreeMap::new());
    for setting in SETTINGS {
        loaded.put(setting.key, setting.default.to_owned(), "default".to_owned())?;
    }
    let standard = Path::new("roadstead.toml");
    if let Some(path) = file.or_else(|| standard.exists().then_some(standard)) {
        loaded.read_file(path)?;
    }
    for setting in SETTINGS {
        loaded.read_variable(setting, &variable)?;
    }
    for (key, value) in flags {
        loaded.put(key, value.clone(), "flag".to_owned())?;
    }
    Ok(loaded)
}

impl Loaded {
    fn put(&mut self, key: &str, text: String, origin: String) -> anyhow::Result<()> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            bail!("{origin}: unknown setting {key:?}; `roadstead config show` lists them all");
        };
        self.0.insert(setting.key, Value { text, origin });
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| origin.clone())?;
        let table: toml::Table = text.parse().with_context(|| origin.clone())?;
        for (key, value) in table {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(switch) => switch.to_string(),
                _ => bail!("{origin}: {key} must be a string, a number or a switch"),
            };
            self.put(&key, text, origin.clone())?;
        }
        Ok(())
    }

    /// `ROADSTEAD_X`, or for secrets the contents of the file that `ROADSTEAD_X_FILE` names.
    /// Other variables with the prefix are not ours to judge: Kubernetes sets some for a service
    /// of that name.
    fn read_variable(
        &mut self,
        setting: &Setting,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<()> {
        let name = format!("ROADSTEAD_{}", setting.key.to_uppercase());
        if let Some(text) = variable(&name) {
            return self.put(setting.key, text, name);
        }
        let from_file = format!("{name}_FILE");
        match variable(&from_file) {
            Some(path) if setting.secret => {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("{from_file}={path}"))?;
                self.put(setting.key, text.trim_end().to_owned(), from_file)
            }
            _ => Ok(()),
        }
    }

    /// The text of a setting; empty when it has none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", |value| value.text.as_str())
    }

    /// The value of a setting, and a message that says which one it is when it is no good.
    pub(crate) fn parse<T, E: std::fmt::Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        let text = self.text(key);
        parse(text).map_err(|error| {
            let origin = self.0.get(key).map_or("", |value| value.origin.as_str());
            let redacted = SETTINGS.iter().any(|setting| setting.key == key && setting.secret);
            let shown = if redacted { "***" } else { &without_password(text) };
            anyhow::anyhow!("{key} = {shown:?} ({origin}): {error}")
        })
    }

    /// Every setting as a line of the configuration file, with its origin behind it.
    pub(crate) fn show(&self) -> String {
        let mut shown = String::new();
        for setting in SETTINGS {
            let Some(value) = self.0.get(setting.key) else {
                continue;
            };
            let hidden = setting.secret && !value.text.is_empty();
            let text = if hidden { "***".into() } else { without_password(&value.text) };
            let text = toml::Value::String(text);
            // Writing to a string cannot fail.
            let _ = writeln!(shown, "# {}", setting.help);
            let _ = writeln!(shown, "{} = {text}  # from {}", setting.key, value.origin);
        }
        shown
    }
}

/// A text as it may be shown: without the password that a URL carries.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let hidden = match rest.rsplit_once('@') {
        Some((account, place)) => match account.split_once(':') {
            Some((user, _)) => format!("{user}:***@{place}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let hidden = match hidden.split_once('?') {
        Some((place, query)) if query.contains("password=") => format!("{place}?***"),
        _ => hidden,
    };
    format!("{scheme}://{hidden}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn flags_win_over_variables_over_the_file_over_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roadstead.toml");
        std::fs::write(&path, "listen = 'file:1'\ndata_dir = 'file'\nsparse_images = true")
            .unwrap();
        let variable = |name: &str| match name {
            "ROADSTEAD_DATA_DIR" => Some("variable".to_owned()),
            "ROADSTEAD_LOG" => Some("debug".to_owned()),
            _ => None,
        };
        let flags = [("log".to_owned(), "warn".to_owned())];
        let loaded = load_from(Some(&path), &flags, variable).unwrap();
        assert_eq!(loaded.text("listen"), "file:1");
        assert_eq!(loaded.text("sparse_images"), "true");
        assert_eq!(loaded.text("data_dir"), "variable");
        assert_eq!(loaded.text("log"), "warn");
        assert_eq!(loaded.text("tls_cert"), "");
        assert!(loaded.show().contains("data_dir = \"variable\"  # from ROADSTEAD_DATA_DIR"));
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_source() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roadstead.toml");
        std::fs::write(&path, "listne = 'x'").unwrap();
        let error = load_from(Some(&path), &[], nothing).unwrap_err().to_string();
        assert!(error.contains("roadstead.toml") && error.contains("listne"), "{error}");
        let flags = [("nonsense".to_owned(), String::new())];
        assert!(load_from(None, &flags, nothing).is_err());
    }

    #[test]
    fn secrets_come_from_files_and_are_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "hunter2-canary\n").unwrap();
        let variable = |name: &str| {
            (name == "ROADSTEAD_ADMIN_PASSWORD_FILE").then(|| path.display().to_string())
        };
        let loaded = load_from(None, &[], variable).unwrap();
        assert_eq!(loaded.text("admin_password"), "hunter2-canary");
        assert!(!loaded.show().contains("canary"));
        let refuse = |_: &str| Err::<(), _>("no good");
        let error = loaded.parse("admin_password", refuse).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn the_password_in_a_url_is_not_shown() {
        for (text, shown) in [
            (
                "postgres://u:canary@h:5432/d?sslmode=require",
                "postgres://u:***@h:5432/d?sslmode=require",
            ),
            ("postgres://u:can@ry@h/d", "postgres://u:***@h/d"),
            ("postgres://u@h/d?password=canary", "postgres://u@h/d?***"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("sqlite:data/x.db", "sqlite:data/x.db"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
