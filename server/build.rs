//! How the program is linked.

use std::env;
use std::process::Command;

/// The first glibc that reads packed relocations (`DT_RELR`).
const READS_PACKED: (u32, u32) = (2, 36);

/// The program has some 75,000 relocations, nearly all of them relative. Packed they are 20 KiB
/// instead of 1.8 MiB, which every start would read, and keep resident. Where they could not be read,
/// as far as can be told, they are left as they are.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    let here = env::var("HOST").is_ok_and(|host| host == target);
    if here && target.ends_with("-linux-gnu") && glibc().is_some_and(|found| found >= READS_PACKED)
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's glibc: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
