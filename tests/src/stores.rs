//! Real object stores, each started once for a test's process, and servers that keep blobs there.

mod azurite;
pub mod daemon;
mod faults;
mod google;
mod multipart;
mod radosgw;
mod s3s;
mod sign;
mod tls;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Setup;
pub use faults::{Faults, Trouble};
pub use radosgw::Radosgw;
pub use s3s::S3s;
pub use tls::Tls;

/// The bucket, or container, of each store.
const BUCKET: &str = "tests";

/// Where blobs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The server's own disk.
    Disk,
    /// Ceph's gateway, which speaks S3.
    Radosgw,
    /// `s3s-fs`, which speaks S3.
    S3s,
    /// Microsoft's emulator of Azure.
    Azurite,
    /// An emulator of Google Cloud Storage.
    Google,
}

/// The size of a part in tests, in bytes: the smallest there is.
pub const PART: usize = 5 << 20;

/// Whether the short run was asked for, which has no store but the disk; says so.
pub fn left_out(store: Store) -> bool {
    let short = std::env::var("ROADSTEAD_TEST_QUICK").is_ok_and(|value| value == "1");
    if short && store != Store::Disk {
        println!("left out: the short run was asked for, and this needs an object store");
        return true;
    }
    false
}

/// A part of a store that nobody else uses, and how to get at it.
#[derive(Clone, Debug)]
pub struct Place {
    store: Store,
    prefix: String,
    variables: BTreeMap<&'static str, String>,
}

impl Store {
    /// A place of its own, in a store that is started if it is not running yet.
    pub fn place(self) -> Place {
        let variables = match self {
            Self::Disk => BTreeMap::new(),
            Self::Radosgw => Radosgw::shared().variables(),
            Self::S3s => S3s::shared().variables(),
            Self::Azurite => azurite::variables(),
            Self::Google => google::variables(),
        };
        Place::new(self, variables)
    }
}

impl Place {
    fn new(store: Store, variables: BTreeMap<&'static str, String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("p{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { store, prefix, variables }
    }

    /// A server that keeps its blobs here, in parts as small as they can be.
    pub fn setup(&self) -> Setup {
        self.variables.iter().fold(Setup::new(), |setup, (name, value)| {
            let value = if *name == "ROADSTEAD_STORAGE_URL" {
                format!("{value}/{}", self.prefix)
            } else {
                value.clone()
            };
            setup.env(name, value)
        })
    }

    /// The same place behind another address.
    #[must_use]
    pub fn behind(mut self, endpoint: &str) -> Self {
        self.variables.insert("ROADSTEAD_STORAGE_ENDPOINT", endpoint.to_owned());
        self
    }

    /// Multipart uploads that were begun here and are neither complete nor aborted; None where
    /// nobody can tell.
    pub fn unfinished_uploads(&self) -> Option<usize> {
        match self.store {
            Store::Radosgw => {
                let endpoint = &self.variables["ROADSTEAD_STORAGE_ENDPOINT"];
                Some(radosgw::unfinished_uploads(endpoint, &self.prefix))
            }
            Store::S3s => Some(S3s::shared().unfinished_uploads()),
            Store::Google => Some(google::unfinished_uploads(&self.prefix)),
            Store::Disk | Store::Azurite => None,
        }
    }
}

/// Settings of an S3 that signs with these keys.
fn s3(endpoint: &str, access_key: &str, secret_key: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("ROADSTEAD_STORAGE_URL", format!("s3://{BUCKET}")),
        ("ROADSTEAD_STORAGE_ENDPOINT", endpoint.to_owned()),
        ("ROADSTEAD_STORAGE_ACCESS_KEY_ID", access_key.to_owned()),
        ("ROADSTEAD_STORAGE_SECRET_ACCESS_KEY", secret_key.to_owned()),
        ("ROADSTEAD_STORAGE_PART_SIZE", "5MiB".to_owned()),
    ])
}
