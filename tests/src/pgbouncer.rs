//! `PgBouncer` in front of a cluster.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;

use crate::free_port;
use crate::postgres::{Cluster, PASSWORD};
use crate::stores::daemon::{Daemon, directory, program, wait_for};

/// A pooler that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct PgBouncer {
    home: PathBuf,
    port: u16,
    daemon: Option<Daemon>,
}

impl PgBouncer {
    /// Starts one in front of a cluster, with a `pool_mode` and otherwise as it is by itself.
    pub fn start(cluster: &Cluster, pool_mode: &str) -> Self {
        let (home, port) = (directory("pgbouncer"), free_port());
        let settings = [
            "[databases]".to_owned(),
            format!("* = host=127.0.0.1 port={}", cluster.port()),
            "[pgbouncer]".to_owned(),
            format!("listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir ="),
            format!("auth_type = scram-sha-256\nauth_file = {}/users", home.display()),
            format!("pool_mode = {pool_mode}"),
        ];
        fs::write(home.join("pgbouncer.ini"), settings.join("\n") + "\n").expect("a file");
        fs::write(home.join("users"), format!("\"postgres\" \"{PASSWORD}\"\n")).expect("a file");
        // It refuses to be root.
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).expect("permissions");
        let mut pooler = Self { home, port, daemon: None };
        pooler.start_again();
        pooler
    }

    /// The port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, and every connection with it.
    pub fn kill(&mut self) {
        self.daemon.take().into_iter().for_each(Daemon::end);
    }

    /// Starts it on the same port.
    pub fn start_again(&mut self) {
        let mut command = Command::new(program("pgbouncer"));
        if fs::metadata("/proc/self").expect("this process").uid() == 0 {
            command.args(["-u", "postgres"]);
        }
        command.arg(self.home.join("pgbouncer.ini"));
        self.daemon = Some(Daemon::start(&command, &self.home, None));
        wait_for(self.port, &self.home);
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.home);
    }
}
