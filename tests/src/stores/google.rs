//! `fake-gcs-server`, an emulator of Google Cloud Storage.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::BUCKET;
use super::daemon::{Daemon, directory, program, run, wait_for};
use super::multipart::Front;
use crate::free_port;

struct Emulator {
    endpoint: String,
    front: Front,
    credentials: PathBuf,
    _daemon: Daemon,
}

/// How a server gets at the emulator.
pub(super) fn variables() -> BTreeMap<&'static str, String> {
    let emulator = emulator();
    BTreeMap::from([
        ("ROADSTEAD_STORAGE_URL", format!("gs://{BUCKET}")),
        ("ROADSTEAD_STORAGE_ENDPOINT", emulator.endpoint.clone()),
        ("ROADSTEAD_STORAGE_GOOGLE_CREDENTIALS", emulator.credentials.display().to_string()),
        ("ROADSTEAD_STORAGE_PART_SIZE", "5MiB".to_owned()),
    ])
}

/// Multipart uploads below a prefix that are neither complete nor aborted.
pub(super) fn unfinished_uploads(prefix: &str) -> usize {
    emulator().front.unfinished(prefix)
}

fn emulator() -> &'static Emulator {
    static SHARED: OnceLock<Emulator> = OnceLock::new();
    SHARED.get_or_init(start)
}

fn start() -> Emulator {
    let (home, port) = (directory("google"), free_port());
    let behind = format!("http://127.0.0.1:{port}");
    let (front, endpoint) = Front::start(behind.clone());
    // The emulator looks at the host that it is asked as.
    let host = endpoint.trim_start_matches("http://");
    let mut command = Command::new(program("fake-gcs-server"));
    command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port.to_string()]);
    command.args(["-backend", "memory", "-log-level", "error", "-external-url", &behind]);
    command.args(["-public-host", host]);
    let daemon = Daemon::start(&command, &home, Some(&home));
    wait_for(port, &home);
    run(Command::new("curl")
        .args(["-sS", "--fail-with-body", "-H", "Content-Type: application/json"])
        .args(["-d", &json!({"name": BUCKET}).to_string()])
        .arg(format!("{behind}/storage/v1/b?project=tests")));
    // An account that needs no token, as the emulator has it.
    let credentials = home.join("account.json");
    let account = json!({
        "gcs_base_url": endpoint, "disable_oauth": true,
        "client_email": "", "private_key": "", "private_key_id": "",
    });
    std::fs::write(&credentials, account.to_string()).expect("a file");
    Emulator { endpoint, front, credentials, _daemon: daemon }
}
