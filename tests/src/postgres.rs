//! Throw-away PostgreSQL: a cluster in a temporary directory, and fresh databases in it.
//!
//! This file needs nothing of this crate, so that tests of other crates can include it.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

// Named, because others include this file under another name.
#[path = "postgres/fresh.rs"]
mod fresh;
#[path = "postgres/programs.rs"]
mod programs;
#[path = "postgres/standby.rs"]
mod standby;

pub use fresh::Fresh;
use programs::{as_postgres, give_to_postgres, initialise, program, watch};

/// The password of the cluster's one account, `postgres`.
pub const PASSWORD: &str = "Postgres-only-1";
/// Where it listens when nothing else is said.
const LOOPBACK: &str = "127.0.0.1";
/// How long it may take to start, on a busy machine and after a crash.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A PostgreSQL server with data of its own; stopped, and its data removed, when dropped and when
/// the test's process ends in whatever way.
#[derive(Debug)]
pub struct Cluster {
    /// Up to the name of the database.
    base: String,
    /// None when somebody else started it.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    directory: PathBuf,
    address: String,
    port: u16,
    durable: bool,
    process: Mutex<Option<Child>>,
    watcher: Child,
}

/// What a cluster is given as its settings.
const SETTINGS: &[&str] = &[
    "max_connections=300",
    "shared_buffers=32MB",
    "jit=off",
    "log_lock_waits=on",
    "log_line_prefix=%t [%p] %d %a ",
];
/// What makes it quicker, and what a power cut must not meet.
const CARELESS: &[&str] = &["fsync=off", "full_page_writes=off"];

impl Cluster {
    /// The cluster of this process, started when it is asked for first; the one that
    /// `ROADSTEAD_TEST_POSTGRES` names, if it names one.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("ROADSTEAD_TEST_POSTGRES") {
            Ok(url) => Self { base: url.trim_end_matches('/').to_owned(), own: None },
            Err(_) => Self::start(),
        })
    }

    /// A cluster that forgets when the machine does, but survives the death of its processes.
    pub fn start() -> Self {
        Self::start_at(LOOPBACK)
    }

    /// The same at another address of this machine, for all who are in one network with it.
    pub fn start_at(address: &str) -> Self {
        let temporary = tempfile::Builder::new().prefix("postgres-").tempdir();
        Self::make(temporary.expect("a temporary directory").keep(), false, address)
    }

    /// A cluster in an empty directory, which stays; it keeps what it has acknowledged, as one in
    /// production does.
    pub fn durable_in(directory: &Path) -> Self {
        Self::make(directory.to_owned(), true, LOOPBACK)
    }

    fn make(directory: PathBuf, durable: bool, address: &str) -> Self {
        fs::write(directory.join("password"), PASSWORD).expect("a file");
        give_to_postgres(&directory);
        initialise(&directory);
        Self::run_in(directory, durable, address)
    }

    /// Starts a server on what is in a directory.
    fn run_in(directory: PathBuf, durable: bool, address: &str) -> Self {
        let watcher = watch(&directory, !durable);
        let process = Mutex::new(None);
        let address = address.to_owned();
        let mut own = Own { directory, address, port: 0, durable, process, watcher };
        // Somebody else may take a free port before it does.
        let started = (0..5).any(|_| {
            own.port = free_port();
            own.launch()
        });
        assert!(started, "PostgreSQL does not start:\n{}", own.log());
        let base = format!("postgres://postgres:{PASSWORD}@{}:{}", own.address, own.port);
        Self { base, own: Some(own) }
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.own().port
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("a cluster of this process")
    }

    /// Writes a file that the server may read and nobody else; returns its path.
    pub fn file(&self, name: &str, text: &[u8]) -> PathBuf {
        let directory = &self.own().directory;
        let path = directory.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        give_to_postgres(directory);
        path
    }

    /// Changes a setting while it runs.
    pub fn set(&self, name: &str, value: &str) {
        self.run("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.run("postgres", "SELECT pg_reload_conf()");
    }

    /// A new database, gone when it is dropped.
    pub fn database(&'static self) -> Fresh {
        Fresh { cluster: self, name: self.create_database() }
    }

    /// Makes an empty database and returns its name.
    pub fn create_database(&self) -> String {
        let name = fresh_name();
        self.run("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Runs statements in a database and returns the rows, one a line, columns with `|` between.
    pub fn run(&self, database: &str, sql: &str) -> String {
        let output = Command::new(program("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .output()
            .expect("psql is missing: run `make test`");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Ends every process at once, as a crash of the machine would, but for what was written.
    pub fn kill(&self) {
        let own = self.own();
        let mut process = own.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut postmaster) = process.take() else {
            return;
        };
        let children = own.backends();
        postmaster.kill().and_then(|()| postmaster.wait()).expect("PostgreSQL ends");
        // They notice by themselves that the first process is gone; this is quicker.
        for id in children {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
        let since = Instant::now();
        while !own.backends().is_empty() && since.elapsed() < START_LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops it as an operator does who is in a hurry: connections are cut, nothing is lost.
    pub fn stop(&self) {
        self.own().stop("-INT");
    }

    /// Starts it again on the same port.
    pub fn start_again(&self) {
        assert!(self.own().launch(), "PostgreSQL does not start:\n{}", self.log());
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.own().log()
    }
}

impl Own {
    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Starts the server; false when it ends at once, as it does when the port is taken.
    fn launch(&self) -> bool {
        let log = File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.expect("a log file");
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(self.directory.join("data"));
        command.args(["-p", &self.port.to_string(), "-k"]).arg(&self.directory);
        let careless = if self.durable { &[][..] } else { CARELESS };
        command.args(["-c", &format!("listen_addresses={}", self.address)]);
        for setting in SETTINGS.iter().chain(careless) {
            command.args(["-c", setting]);
        }
        let mut child = command
            .current_dir("/")
            // A Ctrl-C is for the tests; they end it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("postgres is missing: run `make test`");
        let since = Instant::now();
        while !self.accepts() {
            if child.try_wait().expect("its state").is_some() {
                return false;
            }
            assert!(since.elapsed() < START_LIMIT, "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        true
    }

    /// Whether it takes connections; while it recovers from a crash it listens and takes none.
    fn accepts(&self) -> bool {
        TcpStream::connect((self.address.as_str(), self.port)).is_ok()
            && Command::new(program("pg_isready"))
                .args(["-q", "-h", &self.address, "-p", &self.port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
    }

    fn stop(&self, signal: &str) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = process.take() {
            let told = Command::new("kill").args([signal, &child.id().to_string()]).status();
            assert!(told.is_ok_and(|status| status.success()), "a signal is sent");
            child.wait().expect("PostgreSQL ends");
        }
    }

    /// The processes that serve this cluster.
    fn backends(&self) -> Vec<u32> {
        let data = fs::canonicalize(self.directory.join("data")).unwrap_or_default();
        let processes = fs::read_dir("/proc").expect("a list of processes");
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let ours = |id: &u32| {
            fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == data)
                && fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|n| n == "postgres\n")
        };
        ids.filter(ours).collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop("-QUIT");
        drop(self.watcher.stdin.take());
        let ended = self.watcher.wait();
        assert!(ended.is_ok() || std::thread::panicking(), "a process is left over: {ended:?}");
    }
}

fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A port on the loopback that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
