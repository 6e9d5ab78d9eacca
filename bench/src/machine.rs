//! What is measured on, and what is measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::servers::{Kind, Programs};

/// The size of the machine, as items of a list.
pub(crate) fn machine(disk: &Path) -> Vec<String> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let about = read("/proc/cpuinfo");
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("of an unknown kind", |(_, model)| model);
    let memory = kib(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) as f64 / 1_048_576.0;
    let kernel = read("/proc/sys/kernel/osrelease");
    vec![
        format!("{processors} cores ({model}), which servers and the load share"),
        format!("{memory:.0} GiB of memory"),
        format!("Linux {}, {}", kernel.trim(), system()),
        format!("disk: {}", file_system(disk)),
    ]
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("an unknown system").trim_matches('"').to_owned()
}

fn file_system(disk: &Path) -> String {
    let output = Command::new("df").arg("--output=source,fstype").arg(disk).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = said.unwrap_or_default();
    let words: Vec<&str> = said.lines().nth(1).unwrap_or("unknown").split_whitespace().collect();
    words.join(", ")
}

/// What is measured, with what it says of its version.
pub(crate) fn versions(programs: &Programs) -> Vec<String> {
    let kinds = [Kind::Roadstead, Kind::Nginx, Kind::V3, Kind::V2, Kind::Zot];
    let line = |kind: &Kind| match programs.version(*kind) {
        Some(version) => format!("{}: {version}", kind.name()),
        None => format!("{} was not there", kind.name()),
    };
    kinds.iter().map(line).collect()
}

/// The commit that is checked out; `+` when files differ from it.
pub(crate) fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    // The page itself is written by the measurement.
    let changed = changed.unwrap_or_default();
    let changed = changed.lines().any(|line| !line.ends_with("docs/performance.md"));
    format!("{commit}{}", if changed { "+" } else { "" })
}
