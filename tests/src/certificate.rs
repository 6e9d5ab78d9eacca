//! Certificates that nobody trusts.

use std::path::Path;
use std::process::Command;

/// Makes a certificate for 127.0.0.1 that nobody else trusts; returns the files of it and of its
/// key, in PEM.
pub fn self_signed(directory: &Path) -> (String, String) {
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl is missing: run `make test`");
    (cert.display().to_string(), key.display().to_string())
}
