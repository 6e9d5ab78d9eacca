//! The walls of the house: which room may know which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each room and the rooms it may depend on; skipping levels downward is fine.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("pages", &[]),
    ("storage", &["pages", "model"]),
    ("auth", &["storage", "model"]),
    ("registry", &["auth", "storage", "model"]),
    ("api", &["registry", "auth", "storage", "model"]),
    ("jobs", &["registry", "auth", "storage", "model"]),
    ("server", &["api", "jobs", "registry", "auth", "storage", "model"]),
    // The tests know the binary only.
    ("tests", &[]),
    // So do the measurements.
    ("bench", &[]),
];

fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let room = |name: &str| name.strip_prefix("roadstead-").map(str::to_owned);
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let name = room(package["name"].as_str().unwrap()).expect("a room's name");
            let dependencies = package["dependencies"].as_array().unwrap();
            let below = dependencies.iter().filter_map(|d| room(d["name"].as_str().unwrap()));
            (name, below.collect())
        })
        .collect()
}

#[test]
fn rooms_depend_downward_only() {
    let edges = edges();
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let found: BTreeSet<&str> = edges.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a new room needs a place in the picture");
    for (room, allowed) in ROOMS {
        for below in &edges[*room] {
            assert!(allowed.contains(&below.as_str()), "{room} must not depend on {below}");
        }
    }
}
