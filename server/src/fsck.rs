//! `roadstead fsck`.

use std::process::ExitCode;

use anyhow::Context as _;
use roadstead_registry::fsck;
use roadstead_storage::{Blobs, Db};

use crate::config::Config;

/// Checks the data, whether a server is running on it or not.
pub(crate) async fn run(config: &Config, deep: bool, json: bool) -> anyhow::Result<ExitCode> {
    let db = Db::inspect(&config.database_url)
        .await
        .with_context(|| format!("cannot read the database {}", config.database_url))?;
    let blobs = Blobs::open(config.blobs.clone()).await?;
    let report = fsck::check(&db, &blobs, deep).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for fault in &report.faults {
            println!("{fault}");
        }
        println!(
            "{} manifests, {} blobs ({} bytes hashed), {} files: {} faults",
            report.manifests,
            report.blobs,
            report.hashed_bytes,
            report.files,
            report.faults.len()
        );
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
