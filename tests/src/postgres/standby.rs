//! Servers that follow another one, and take its place.

use std::fs;
use std::time::{Duration, Instant};

use super::{Cluster, START_LIMIT, as_postgres, give_to_postgres};

impl Cluster {
    /// A standby of this one, which answers reads. From here on this one acknowledges nothing that
    /// the standby does not have.
    #[must_use]
    pub fn standby(&self) -> Self {
        let temporary = tempfile::Builder::new().prefix("postgres-").tempdir();
        let directory = temporary.expect("a temporary directory").keep();
        fs::write(directory.join("password"), super::PASSWORD).expect("a file");
        give_to_postgres(&directory);
        let copied = as_postgres("pg_basebackup")
            .current_dir("/")
            .arg("-D")
            .arg(directory.join("data"))
            .args(["--no-sync", "-R", "-X", "stream", "-c", "fast", "-d"])
            .arg(self.url("postgres"))
            .output()
            .expect("pg_basebackup is missing: run `make test`");
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup: {said}");
        let standby = Self::run_in(directory, self.own().durable, &self.own().address);
        self.set("synchronous_standby_names", "*");
        self.wait_for("SELECT sync_state FROM pg_stat_replication", "sync");
        standby
    }

    /// Has a standby become a server that is written to; returns when it is one.
    pub fn promote(&self) {
        self.run("postgres", "SELECT pg_promote()");
        self.wait_for("SELECT pg_is_in_recovery()", "f");
    }

    fn wait_for(&self, sql: &str, expected: &str) {
        let since = Instant::now();
        while self.run("postgres", sql) != expected {
            assert!(since.elapsed() < START_LIMIT, "{sql} is not {expected}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
