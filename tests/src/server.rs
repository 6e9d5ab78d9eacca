//! The built binary as a child process with a data directory of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::net::Namespace;
use crate::postgres::{Cluster, Fresh};

/// The administrator's password of every server that tests start.
pub const ADMIN_PASSWORD: &str = "Tests-only-1";

/// What says where the rows are.
const DATABASE_URL: &str = "ROADSTEAD_DATABASE_URL";

/// The secret key of every server on PostgreSQL that tests start.
pub const SECRET_KEY: &str = "c2VhbHMgdGhlIHNlY3JldHMgb2YgYWxsIHRoZSB0ZXM=";

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
    // Nobody listens there until a server has started, and two that start at once would be told
    // the same.
    static TOLD: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

/// How a server is started.
#[derive(Debug, Default)]
pub struct Setup {
    variables: Vec<(String, String)>,
    data: Option<PathBuf>,
    database: Kept,
    address: Option<SocketAddr>,
    /// The program that starts it, with its arguments.
    runner: Vec<String>,
}

/// Where the rows of a server are.
#[derive(Clone, Debug, Default)]
enum Kept {
    /// What `ROADSTEAD_TEST_DATABASE` names, which is SQLite when it is not set.
    #[default]
    Unspoken,
    /// In a file of the data directory.
    Sqlite,
    /// In a new database of the shared cluster.
    Postgres,
    /// Where another server of the test has them.
    With(Option<Arc<Fresh>>),
}

impl Setup {
    /// The defaults: a local disk in a temporary directory, on a free port, and the database that
    /// `ROADSTEAD_TEST_DATABASE` names: `postgres` or, without it, SQLite.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the rows in SQLite, whatever the run is about.
    #[must_use]
    pub fn sqlite(mut self) -> Self {
        self.database = Kept::Sqlite;
        self
    }

    /// Keeps the rows in a new PostgreSQL database.
    #[must_use]
    pub fn postgres(mut self) -> Self {
        self.database = Kept::Postgres;
        self
    }

    /// Keeps the rows where another server has them; with SQLite, that is its data directory.
    #[must_use]
    pub fn database_of(mut self, server: &Server) -> Self {
        self.database = Kept::With(server.database.clone());
        self
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

    /// Listens here instead of on a free port of the loopback.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Runs in a network of its own.
    #[must_use]
    pub fn within(mut self, namespace: &Namespace) -> Self {
        self.runner = namespace.runner();
        self
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> Server {
        let mut server = self.prepare();
        server.start();
        server
    }

    /// Everything but the process: for commands that need no server, or come before it.
    pub fn stopped(self) -> Server {
        self.prepare()
    }

    /// Starts the server, which must end by itself with a failure; returns what it printed.
    pub fn fails_to_start(self) -> String {
        let mut server = self.prepare();
        server.check_at_end = false;
        let output = server.command(&["serve"]).output().expect("the server starts");
        assert!(!output.status.success(), "the server did not refuse to start");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// A server that is not started yet.
    pub fn prepare(self) -> Server {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let data = self.data.clone().unwrap_or_else(|| temporary.path().join("data"));
        let free = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let address = self.address.unwrap_or_else(free);
        let given = self.variables.iter().any(|(name, _)| name == DATABASE_URL);
        let postgres = match self.database {
            _ if given => None,
            Kept::Unspoken if runs_on_postgres() => Some(fresh(self.data.as_deref())),
            Kept::Postgres => Some(fresh(self.data.as_deref())),
            Kept::With(database) => database,
            Kept::Unspoken | Kept::Sqlite => None,
        };
        let mut variables = self.variables;
        if postgres.is_some() {
            // Servers that share a database make none; what the test says comes after it.
            variables.insert(0, ("ROADSTEAD_SECRET_KEY".to_owned(), SECRET_KEY.to_owned()));
        }
        variables.extend(postgres.iter().map(|fresh| (DATABASE_URL.to_owned(), fresh.url())));
        Server {
            child: None,
            address,
            data,
            temporary,
            variables,
            database: postgres,
            runner: self.runner,
            check_at_end: true,
        }
    }
}

/// Whether this run is about PostgreSQL.
pub fn runs_on_postgres() -> bool {
    std::env::var("ROADSTEAD_TEST_DATABASE").is_ok_and(|engine| engine == "postgres")
}

/// A new database; for a data directory that the test named, the one that it had before.
fn fresh(data: Option<&Path>) -> Arc<Fresh> {
    static OF_DIRECTORIES: Mutex<BTreeMap<PathBuf, Arc<Fresh>>> = Mutex::new(BTreeMap::new());
    let make = || Arc::new(Cluster::shared().database());
    let Some(data) = data else {
        return make();
    };
    let mut known = OF_DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(data.to_owned()).or_insert_with(make).clone()
}

/// A running server; killed, and its data checked with `fsck --deep`, when dropped.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    address: SocketAddr,
    data: PathBuf,
    temporary: TempDir,
    variables: Vec<(String, String)>,
    database: Option<Arc<Fresh>>,
    runner: Vec<String>,
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

    /// The URL of its database.
    pub fn database_url(&self) -> String {
        let given = self.variables.iter().rev().find(|(name, _)| name == DATABASE_URL);
        given.map_or_else(
            || format!("sqlite:{}", self.data.join("roadstead.db").display()),
            |(_, url)| url.clone(),
        )
    }

    /// Whether its rows are in PostgreSQL.
    pub fn is_on_postgres(&self) -> bool {
        self.database_url().starts_with("postgres")
    }

    /// Writes what PostgreSQL keeps into the data directory, so that a search of it finds that, too;
    /// SQLite's file is there anyway.
    pub fn dump_rows(&self) {
        if let Some(database) = &self.database {
            fs::write(self.data.join("dump.sql"), database.dump()).expect("a file");
        }
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
        let mut command = match self.runner.split_first() {
            None => Command::new(binary()),
            Some((program, before)) => {
                let mut command = Command::new(program);
                command.args(before).arg(binary());
                command
            }
        };
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
    /// the program's file (`RssFile`): of those, a debug build has several times as many. Of no use
    /// after a blob was served: pages of blobs come and go.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:") - self.memory("RssFile:")
    }

    /// The memory that the process has for itself just now, in bytes: what it shares with files,
    /// its program among them, is not counted.
    pub fn own_memory(&self) -> u64 {
        self.memory("RssAnon:")
    }

    /// A line of the process's status, in bytes.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a status");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line of memory");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<u64>().expect("a number") * 1024
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
