//! The built binary as a child process with a data directory of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The administrator's password of every server that tests start.
pub const ADMIN_PASSWORD: &str = "Tests-only-1";

/// How long a server may take to answer, on a busy machine and in a debug build.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The binary under test: `ROADSTEAD_BIN`, or the one beside the test's own build directory.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ROADSTEAD_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test's own path");
    let built = test.ancestors().nth(2).expect("a build directory").join("roadstead");
    assert!(built.exists(), "{} is missing: run `cargo build` first", built.display());
    built
}

/// A port on the loopback that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// How a server is started.
#[derive(Debug, Default)]
pub struct Setup {
    variables: Vec<(String, String)>,
    data: Option<PathBuf>,
}

impl Setup {
    /// The defaults: SQLite and a local disk in a temporary directory, on a free port.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Uses this data directory instead of a temporary one.
    #[must_use]
    pub fn data(mut self, directory: &Path) -> Self {
        self.data = Some(directory.to_owned());
        self
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> Server {
        let mut server = self.prepare();
        server.start();
        server
    }

    /// Starts the server, which must end by itself with a failure; returns what it printed.
    pub fn fails_to_start(self) -> String {
        let mut server = self.prepare();
        server.check_at_end = false;
        let output = server.command(&["serve"]).output().expect("the server starts");
        assert!(!output.status.success(), "the server did not refuse to start");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn prepare(self) -> Server {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let data = self.data.unwrap_or_else(|| temporary.path().join("data"));
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Server {
            child: None,
            address,
            data,
            temporary,
            variables: self.variables,
            check_at_end: true,
        }
    }
}

/// A running server; killed, and its data checked with `fsck --deep`, when dropped.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    address: SocketAddr,
    data: PathBuf,
    temporary: TempDir,
    variables: Vec<(String, String)>,
    check_at_end: bool,
}

impl Server {
    /// `127.0.0.1:<port>`, as image references name the registry.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A directory for the test's own files, gone when the server is dropped.
    pub fn scratch(&self) -> &Path {
        self.temporary.path()
    }

    /// What the server has printed so far, both streams.
    pub fn log(&self) -> String {
        fs::read_to_string(self.temporary.path().join("log")).unwrap_or_default()
    }

    /// The id of the running process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// A command of the binary with this server's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .env_remove("RUST_BACKTRACE")
            .args(arguments)
            .current_dir(self.temporary.path())
            .env("ROADSTEAD_DATA_DIR", &self.data)
            .env("ROADSTEAD_LISTEN", self.address.to_string())
            .env("ROADSTEAD_ADMIN_LISTEN", "127.0.0.1:0")
            .env("ROADSTEAD_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("ROADSTEAD_LOG", "info")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the process (again) and waits until it answers; returns how long that took.
    pub fn start(&mut self) -> Duration {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.temporary.path().join("log"))
            .expect("a log file");
        let since = Instant::now();
        let mut child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the server starts");
        while !self.answers() {
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", self.log());
            assert!(since.elapsed() < START_LIMIT, "no answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.child = Some(child);
        since.elapsed()
    }

    /// Whether the server answers a request; a connection alone proves only that it has begun.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else {
            return false;
        };
        let sent = stream
            .set_read_timeout(Some(START_LIMIT))
            .and_then(|()| stream.write_all(b"GET /v2/ HTTP/1.0\r\nHost: roadstead\r\n\r\n"));
        let mut first = [0; 12];
        sent.is_ok() && stream.read_exact(&mut first).is_ok() && first.starts_with(b"HTTP/1.")
    }

    /// Kills the process at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a signal is sent");
            child.wait().expect("the process ends");
        }
    }

    /// Sends SIGTERM without waiting.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process id");
        kill_process(pid, Signal::TERM).expect("a signal is sent");
    }

    /// Waits for the process to end by itself and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.take().expect("a running server").wait().expect("the process ends").code()
    }

    /// The largest resident memory of the process so far, in bytes (`VmHWM`), without the pages of
    /// the program's file (`RssFile`): of those, a debug build has several times as many.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a status");
        let bytes = |name: &str| {
            let line =
                status.lines().find(|line| line.starts_with(name)).expect("a line of memory");
            let kib = line.split_whitespace().nth(1).expect("a number");
            kib.parse::<u64>().expect("a number") * 1024
        };
        bytes("VmHWM:") - bytes("RssFile:")
    }

    /// Runs `roadstead fsck` with these arguments, whether the server runs or not.
    pub fn fsck(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["fsck"];
        all.extend_from_slice(arguments);
        self.command(&all).output().expect("fsck runs")
    }

    /// Asserts that nothing is wrong with the data.
    pub fn assert_clean(&self, arguments: &[&str]) {
        let output = self.fsck(arguments);
        assert!(
            output.status.success(),
            "fsck {arguments:?} found faults:\n{}{}\nserver log:\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
    }

    /// Leaves the check at the end out, for tests that damage the data on purpose.
    pub fn damaged_on_purpose(&mut self) {
        self.check_at_end = false;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("server log:\n{}", self.log());
        } else if self.check_at_end {
            self.assert_clean(&["--deep"]);
        }
    }
}
