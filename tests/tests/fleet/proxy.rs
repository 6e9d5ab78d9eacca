//! The proxy of deploy/compose in front of servers of a test.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use roadstead_tests::free_port;
use roadstead_tests::stores::daemon::{Daemon, program};

/// `HAProxy` in front of servers, with the configuration that is in the compose file.
pub(crate) struct Proxy {
    host: String,
    directory: tempfile::TempDir,
    _process: Daemon,
}

impl Proxy {
    /// Starts it at an address of this machine. Servers are `s0`, `s1` and so on.
    pub(crate) fn start(address: Ipv4Addr, servers: &[(String, u16)]) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose/haproxy.cfg");
        let host = format!("{address}:{}", free_port());
        let mut configuration = fs::read_to_string(shipped).expect("the configuration");
        let mut replace = |from: &str, to: &str| {
            assert!(configuration.contains(from), "{from} is not in the configuration");
            configuration = configuration.replace(from, to);
        };
        replace("bind :8080", &format!("bind {host}"));
        replace("127.0.0.1:8404", &format!("127.0.0.1:{}", free_port()));
        replace("check port 8081 inter 1s", "check inter 300ms");
        let lines = servers
            .iter()
            .enumerate()
            .map(|(n, (address, health))| format!("    server s{n} {address} port {health}\n"));
        replace("    server a roadstead-a:8080\n", &lines.collect::<String>());
        replace("    server b roadstead-b:8080\n", "");
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("haproxy.cfg");
        fs::write(&file, configuration).expect("a file");
        let mut command = Command::new(program("haproxy"));
        let command = command.args(["-db", "-f"]).arg(&file);
        let process = Daemon::start(command, directory.path(), Some(directory.path()));
        let proxy = Self { host, directory, _process: process };
        let since = Instant::now();
        while TcpStream::connect(&proxy.host).is_err() {
            assert!(since.elapsed() < Duration::from_secs(10), "no answer from haproxy");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    /// Where it listens.
    pub(crate) fn host(&self) -> String {
        self.host.clone()
    }

    /// How often it has said something of a server: that it `is DOWN`, or `is UP`.
    pub(crate) fn said(&self, server: usize, what: &str) -> usize {
        self.log().matches(&format!("Server roadstead/s{server} {what}")).count()
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("haproxy.out")).unwrap_or_default()
    }
}
