//! fsck finds what is wrong and nothing else, while clients push; its repairs lose nothing.

mod corruptions;
mod object_stores;
mod rebuild;
mod repair;

use roadstead_tests::Server;
use roadstead_tests::http::Person;
use serde_json::Value;

/// Runs fsck and returns its exit code and its report.
fn report(server: &Server, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = server.fsck(&[&["--json"], arguments].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// (kind, subject) of every fault.
fn faults(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let faults = report["faults"].as_array().unwrap();
    faults.iter().map(|fault| (text(&fault["kind"]), text(&fault["subject"]))).collect()
}

/// Pushes and deletes images until it is aborted.
fn keep_busy(person: Person, name: &'static str) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for n in 0.. {
            let layer = format!("{name} {n}").repeat(1 + n % 5000);
            let (_, digest) = person.push_image(name, "latest", layer.as_bytes()).await;
            if n % 2 == 0 {
                let path = format!("/v2/{name}/manifests/{digest}");
                assert_eq!(person.delete(&path).await.status(), 202);
            }
        }
    })
}
