//! `s3s-fs`: S3 over a directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::daemon::{Daemon, directory, program, wait_for};
use super::{BUCKET, Place, s3};
use crate::{free_port, store};

/// A store that can be stopped and started again.
#[derive(Debug)]
pub struct S3s {
    home: PathBuf,
    port: u16,
    /// Below which name a bucket's own name is its host.
    domain: Option<&'static str>,
    /// Whether it lives as long as the process, and its directory goes with that.
    shared: bool,
    daemon: Mutex<Option<Daemon>>,
}

impl S3s {
    /// The one that all tests of a process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3s> = OnceLock::new();
        SHARED.get_or_init(|| Self::make(true, None))
    }

    /// One that is a test's own.
    pub fn new() -> Self {
        Self::make(false, None)
    }

    /// One whose buckets have names of their own, below a domain.
    pub fn with_domain(domain: &'static str) -> Self {
        Self::make(false, Some(domain))
    }

    fn make(shared: bool, domain: Option<&'static str>) -> Self {
        let home = directory("s3s");
        fs::create_dir_all(home.join("data").join(BUCKET)).expect("a directory");
        let store = Self { home, port: free_port(), domain, shared, daemon: Mutex::new(None) };
        store.start();
        store
    }

    /// Starts it again.
    pub fn start(&self) {
        let mut command = Command::new(program("s3s-fs"));
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", "AK", "--secret-key", "SK"])
            .args(self.domain.iter().flat_map(|domain| ["--domain", domain]))
            .arg(self.home.join("data"));
        let remove = self.shared.then_some(self.home.as_path());
        let daemon = Daemon::start(&command, &self.home, remove);
        *self.daemon.lock().unwrap_or_else(PoisonError::into_inner) = Some(daemon);
        wait_for(self.port, &self.home);
    }

    /// Ends it; what it has, it keeps.
    pub fn stop(&self) {
        let daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner).take();
        daemon.expect("a running store").end();
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How a server gets at it.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        s3(&self.endpoint(), "AK", "SK")
    }

    /// Writes an object behind everybody's back.
    pub fn overwrite(&self, place: &Place, name: &str, bytes: &[u8]) {
        let path = self.home.join("data").join(BUCKET).join(&place.prefix).join(name);
        fs::write(path, bytes).expect("a file");
    }

    /// Removes the one object of a place, or cuts it in two.
    pub fn damage(&self, place: &Place, cut: bool) {
        let objects = store::objects(&self.home.join("data").join(BUCKET).join(&place.prefix));
        let [object] = objects.as_slice() else {
            panic!("{objects:?}");
        };
        if cut {
            let length = fs::metadata(object).expect("an object").len();
            let file = fs::File::options().write(true).open(object).expect("an object");
            file.set_len(length / 2).expect("a shorter file");
        } else {
            fs::remove_file(object).expect("an object");
        }
    }

    /// Multipart uploads that are neither complete nor aborted.
    pub fn unfinished_uploads(&self) -> usize {
        let files = fs::read_dir(self.home.join("data")).expect("its files");
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let is_upload = |name: &String| {
            name.strip_prefix(".upload-").is_some_and(|rest| rest.strip_suffix(".json").is_some())
        };
        names.filter(is_upload).count()
    }
}

impl Default for S3s {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for S3s {
    fn drop(&mut self) {
        let daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner).take();
        daemon.into_iter().for_each(Daemon::end);
        let _ = fs::remove_dir_all(&self.home);
    }
}
