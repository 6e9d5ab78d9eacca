//! What bounds a request, in one table.

use std::time::Duration;

use ipnet::IpNet;

/// Bounds and durations of the registry.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest manifest, in bytes; the specification asks for at least 4 MiB.
    pub manifest_bytes: usize,
    /// The most layers of an image, and the most manifests of an index.
    pub manifest_entries: usize,
    /// The most levels of indexes within indexes.
    pub manifest_depth: i64,
    /// The most tags of one push.
    pub tags_per_push: usize,
    /// Whether an index may name manifests that are not in its repository.
    pub sparse_indexes: bool,
    /// Whether an image may name blobs that are not in its repository.
    pub sparse_images: bool,
    /// Whether an immutable tag may not even be pushed again with what it names, as in Harbor.
    pub strict_immutability: bool,
    /// How long an upload session lives after its last bytes.
    pub upload_expiry: Duration,
    /// How many upload sessions a principal may have open.
    pub uploads_per_principal: i64,
    /// How long a client may send nothing in the middle of a body.
    pub body_idle: Duration,
    /// How long a pushed or mounted blob stays without a manifest that holds it.
    pub lease: Duration,
    /// How long bytes stay after their row is gone, for those who are reading them.
    pub grace: Duration,
    /// How long what is deleted can be brought back, unless its project says otherwise.
    pub undelete: Duration,
    /// Whether and how clients are sent to the object store to read blobs.
    pub redirect: Option<Redirect>,
    /// How old the last verification of a blob may be when it is served without hashing it.
    pub verify_after: Duration,
    /// The most entries of a page of tags, for clients that ask for a page.
    pub tags_page: usize,
    /// The most entries of a page of the catalog.
    pub catalog_page: usize,
    /// The most bytes of a page of referrers; clients read no more than 4 MiB.
    pub referrers_page_bytes: usize,
}

/// Sending clients to the object store.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// How long the address works that they get. Shorter than the grace, so that it never outlives
    /// the object.
    pub lifetime: Duration,
    /// Clients that cannot reach the store, by the address that they come from.
    pub except: Vec<IpNet>,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 4 << 20,
            manifest_entries: 1000,
            manifest_depth: 8,
            tags_per_push: 50,
            sparse_indexes: false,
            sparse_images: false,
            strict_immutability: false,
            upload_expiry: DAY,
            uploads_per_principal: 10_000,
            body_idle: Duration::from_mins(1),
            lease: DAY,
            grace: DAY,
            undelete: 7 * DAY,
            redirect: None,
            verify_after: DAY,
            tags_page: 10_000,
            catalog_page: 1000,
            referrers_page_bytes: 3 << 20,
        }
    }
}
