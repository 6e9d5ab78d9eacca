//! Azurite, Microsoft's emulator of Azure's blobs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::BUCKET;
use super::daemon::{Daemon, directory, run, wait_for};
use super::sign::{hmac, now};
use crate::free_port;

/// Every Azurite has this account, with this key.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

struct Emulator {
    endpoint: String,
    _daemon: Daemon,
}

/// How a server gets at the emulator.
pub(super) fn variables() -> BTreeMap<&'static str, String> {
    static SHARED: OnceLock<Emulator> = OnceLock::new();
    BTreeMap::from([
        ("ROADSTEAD_STORAGE_URL", format!("az://{BUCKET}")),
        ("ROADSTEAD_STORAGE_ENDPOINT", SHARED.get_or_init(start).endpoint.clone()),
        ("ROADSTEAD_STORAGE_ACCOUNT", ACCOUNT.to_owned()),
        ("ROADSTEAD_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
        ("ROADSTEAD_STORAGE_PART_SIZE", "5MiB".to_owned()),
    ])
}

fn start() -> Emulator {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("stores/node_modules/azurite/dist/src/blob/main.js");
    assert!(script.exists(), "{} is missing: run `make tools`", script.display());
    let (home, port) = (directory("azurite"), free_port());
    let mut command = Command::new("node");
    command.arg(script).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    command.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location"]);
    let daemon = Daemon::start(command.arg(&home), &home, Some(&home));
    wait_for(port, &home);
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    make_container(&endpoint);
    Emulator { endpoint, _daemon: daemon }
}

/// A request signed with the account's key (Authorize with Shared Key, Azure's documentation).
fn make_container(endpoint: &str) {
    let (date, version) = (now("+%a, %d %b %Y %T GMT"), "2021-08-06");
    let text = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n\
         /{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    );
    let key = BASE64_STANDARD.decode(KEY).expect("a key");
    let signature = BASE64_STANDARD.encode(hmac(&key, text.as_bytes()));
    run(Command::new("curl")
        .args(["-sS", "--fail-with-body", "-X", "PUT", "-H", "Content-Length: 0"])
        .args(["-H", &format!("x-ms-date: {date}"), "-H", &format!("x-ms-version: {version}")])
        .args(["-H", &format!("Authorization: SharedKey {ACCOUNT}:{signature}")])
        .arg(format!("{endpoint}/{BUCKET}?restype=container")));
}
