//! Databases that are gone with whoever asked for them.

use std::process::Command;

use super::Cluster;
use super::programs::program;

/// A database of its own for whoever asked; dropped with this.
#[derive(Debug)]
pub struct Fresh {
    pub(super) cluster: &'static Cluster,
    pub(super) name: String,
}

impl Fresh {
    /// The URL.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All that it holds, as statements.
    pub fn dump(&self) -> Vec<u8> {
        let output = Command::new(program("pg_dump")).arg("--inserts").arg(self.url()).output();
        let output = output.expect("pg_dump is missing: run `make test`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cluster
                .run("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}
