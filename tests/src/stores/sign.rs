//! Signatures of requests to stores, for what the server itself never asks of them.

use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::daemon::run;
use crate::content::hex;

const BLOCK: usize = 64;
const REGION: &str = "us-east-1";

/// HMAC with SHA-256 (RFC 2104); the key is at most one block long.
pub(super) fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    assert!(key.len() <= BLOCK, "a key of one block");
    let pad = |with: u8| {
        let mut block = key.to_vec();
        block.resize(BLOCK, 0);
        block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The time of now in a format of `date`.
pub(super) fn now(format: &str) -> String {
    let date = run(Command::new("date").env("LC_ALL", "C").args(["-u", format]));
    date.trim().to_owned()
}

/// A request without a body to an S3 (Signature Version 4, AWS's documentation). The query's
/// parameters are in order and encoded.
pub(super) fn s3(
    method: &str,
    host: &str,
    path: &str,
    query: &str,
    (access_key, secret_key): (&str, &str),
) -> String {
    let time = now("+%Y%m%dT%H%M%SZ");
    let (day, nothing) = (&time[..8], hex(&Sha256::digest(b"")));
    let names = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!(
        "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{nothing}\n\
         x-amz-date:{time}\n\n{names}\n{nothing}"
    );
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let mut key = format!("AWS4{secret_key}").into_bytes();
    for part in [day, REGION, "s3", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hex(&hmac(&key, text.as_bytes()));
    let authorization = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={access_key}/{scope}, \
         SignedHeaders={names}, Signature={signature}"
    );
    run(Command::new("curl")
        .args(["-sS", "--fail-with-body", "-X", method, "-H", &authorization])
        .args(["-H", &format!("x-amz-date: {time}")])
        .args(["-H", &format!("x-amz-content-sha256: {nothing}")])
        .arg(format!("http://{host}{path}?{query}")))
}
