//! Where blobs are kept, and whether clients are sent there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use roadstead_registry::Redirect;
use roadstead_storage::blobs::{Location, StoreSettings};

use crate::proxies;
use crate::settings::Loaded;

/// A directory, or an object store with everything that is said of it.
pub(super) fn location(loaded: &Loaded, data_dir: &Path) -> anyhow::Result<Location> {
    let url = loaded.text("storage_url");
    if url.is_empty() {
        return Ok(Location::Disk(data_dir.join("blobs")));
    }
    if let Some(path) = url.strip_prefix("file:") {
        return Ok(Location::Disk(PathBuf::from(path.strip_prefix("//").unwrap_or(path))));
    }
    let text = |key: &str| loaded.text(key).to_owned();
    let path = |key: &str| Some(text(key)).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(Location::Store(Box::new(StoreSettings {
        url: loaded.parse("storage_url", store_url)?,
        endpoint: loaded.parse("storage_endpoint", endpoint)?,
        public_endpoint: loaded.parse("storage_public_endpoint", endpoint)?,
        region: text("storage_region"),
        path_style: loaded.parse("storage_path_style", |text| match text {
            "auto" => Ok(None),
            text => text.parse().map(Some).map_err(|_| "must be auto, true or false"),
        })?,
        access_key_id: text("storage_access_key_id"),
        secret_access_key: text("storage_secret_access_key"),
        session_token: text("storage_session_token"),
        profile: text("storage_profile"),
        ca_cert: path("storage_ca_cert"),
        google_credentials: path("storage_google_credentials"),
        account: text("storage_account"),
        account_key: text("storage_account_key"),
        sas_token: text("storage_sas_token"),
        part_size: loaded.parse("storage_part_size", part_size)?,
        upload_memory: loaded.parse("storage_upload_memory", bytes)?,
    })))
}

/// Whether clients are sent to the store: an address must not outlive the object it leads to.
pub(super) fn redirect(loaded: &Loaded, grace: Duration) -> anyhow::Result<Option<Redirect>> {
    let on = loaded.parse("storage_redirect", |text| match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be on or off"),
    })?;
    let lifetime =
        loaded.parse("storage_redirect_lifetime", |text| {
            match humantime::parse_duration(text) {
                Ok(found) if (1..=7 * 24 * 3600).contains(&found.as_secs()) => Ok(found),
                Ok(_) => Err("must be from 1s to 7d".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })?;
    let except = loaded.parse("storage_redirect_except", proxies::networks)?;
    if on && lifetime >= grace {
        bail!(
            "storage_redirect_lifetime must be shorter than deletion_grace, so that no address \
             outlives the object it leads to"
        );
    }
    Ok(on.then_some(Redirect { lifetime, except }))
}

/// Bucket and prefix are looked at by whoever connects.
fn store_url(text: &str) -> Result<String, &'static str> {
    let known = ["s3://", "gs://", "az://"].iter().any(|scheme| text.starts_with(scheme));
    if known {
        Ok(text.to_owned())
    } else {
        Err("must be file:<path>, s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or \
             az://<container>/<prefix>")
    }
}

fn endpoint(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let has_scheme = text.starts_with("http://") || text.starts_with("https://");
    if text.is_empty() || (has_scheme && !text.contains('@')) {
        Ok(text.to_owned())
    } else {
        Err("must begin with https:// or http:// and carry no password")
    }
}

fn part_size(text: &str) -> Result<u64, &'static str> {
    let size = bytes(text)?;
    let fits = (5 << 20..=1 << 30).contains(&size);
    fits.then_some(size).ok_or("must be from 5MiB to 1GiB")
}

/// A number of bytes: `1048576`, `1024KiB`, `1MiB`.
fn bytes(text: &str) -> Result<u64, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("must be a number of bytes, or one with KiB, MiB or GiB"),
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or("must be a number of bytes, or one with KiB, MiB or GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_two_to_the_ten() {
        for (text, size) in [("0", 0), ("17B", 17), ("8MiB", 8 << 20), ("1 GiB", 1 << 30)] {
            assert_eq!(bytes(text), Ok(size));
        }
        for text in ["", "8MB", "MiB", "-1", "99999999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert!(part_size("4MiB").is_err());
    }
}
