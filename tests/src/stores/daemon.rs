//! Programs that run as long as the tests do.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to listen.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Runs a program, and ends it when the tests are gone in whatever way: their end of the pipe
/// closes with them. At the end the directory may be removed.
const SCRIPT: &str = r#"
    trap '' INT TERM HUP
    directory=$1; shift
    "$@" </dev/null &
    id=$!
    cat >/dev/null
    kill -9 "$id" 2>/dev/null
    if [ -n "$directory" ]; then sleep 1; rm -rf "$directory"; fi
"#;

/// A program that was started.
#[derive(Debug)]
pub struct Daemon {
    /// The shell that watches over it.
    watcher: Child,
}

/// A directory for a daemon's data, which the first of its programs removes at the end.
pub(crate) fn directory(name: &str) -> PathBuf {
    let directory = tempfile::Builder::new().prefix(&format!("roadstead-{name}-")).tempdir();
    directory.expect("a temporary directory").keep()
}

impl Daemon {
    /// Starts a program, which writes to a log in `home`; `remove` is a directory that goes with it.
    pub fn start(command: &Command, home: &Path, remove: Option<&Path>) -> Self {
        let program = command.get_program();
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
        let log = File::options().create(true).append(true).open(home.join(format!("{name}.out")));
        let log = log.expect("a log file");
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let watcher = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(remove.unwrap_or(Path::new("")))
            .arg(program)
            .args(command.get_args())
            .envs(variables)
            .current_dir(home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { watcher }
    }

    /// Ends the program at once.
    pub(crate) fn end(mut self) {
        drop(self.watcher.stdin.take());
        self.watcher.wait().expect("a shell ends");
    }
}

/// Waits until somebody listens on a port of the loopback.
pub(crate) fn wait_for(port: u16, home: &Path) {
    let found = listens(&format!("127.0.0.1:{port}"));
    assert!(found, "nobody listens on {port}; see {}", home.display());
}

/// Waits until somebody listens at an address; whether somebody does.
pub(super) fn listens(address: &str) -> bool {
    let since = Instant::now();
    while TcpStream::connect(address).is_err() {
        if since.elapsed() > START_LIMIT {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A program that must be there.
pub fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/bin").join(name);
    let paths = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(|path| Path::new(path).join(name));
    let found = std::iter::once(own).chain(paths).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: run `make tools`"))
}

/// Runs a command, which must succeed, and returns what it printed.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
