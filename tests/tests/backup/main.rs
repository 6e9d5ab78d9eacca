//! Backups while clients push and delete, and what a restored registry has and has not.

mod credentials;
mod engines;
mod object_stores;
mod online;

use std::path::Path;
use std::process::Output;

use roadstead_tests::Server;

/// Runs `roadstead backup`, which must work.
fn back_up(server: &Server, directory: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["backup", directory.to_str().unwrap()];
    arguments.extend_from_slice(more);
    let output = server.command(&arguments).output().expect("backup runs");
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Runs `roadstead restore` for a server that is not running.
fn restore(server: &Server, directory: &Path) -> Output {
    let arguments = ["restore", directory.to_str().unwrap()];
    server.command(&arguments).output().expect("restore runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Restores a backup into a server that is set up anew, and starts it.
fn restored(setup: roadstead_tests::Setup, directory: &Path) -> Server {
    let mut server = setup.stopped();
    let output = restore(&server, directory);
    assert!(output.status.success(), "{}", said(&output));
    server.start();
    server
}
