//! Programs of `PyPI` that `tests/tools/install.sh` installs.

use std::process::Command;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/document");

/// Runs a program, which must succeed, and returns what it printed.
pub fn run(program: &str, arguments: impl FnOnce(&mut Command)) -> String {
    let path = format!("{DIRECTORY}/venv/bin/{program}");
    let mut command = Command::new(&path);
    command.current_dir(DIRECTORY).env("PYTHONUTF8", "1");
    arguments(&mut command);
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{path}: {error}; `make tools` installs it"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program} has found something:\n{text}");
    text
}
