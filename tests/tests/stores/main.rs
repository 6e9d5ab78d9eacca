//! One set of promises for every place that blobs can be kept in, and what only some can show.

mod access;
mod addresses;
mod memory;
mod replicas;
mod suite;
mod trouble;

use roadstead_tests::Server;
use roadstead_tests::stores::{PART, left_out};

/// How many objects the store has, as fsck counts them.
fn objects(server: &Server) -> u64 {
    let output = server.fsck(&["--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(output.status.success(), "{report}");
    report["files"].as_u64().expect("a number")
}

/// Each promise of the suite as a test of its own for each store.
macro_rules! for_every_store {
    ($($promise:ident),* $(,)?) => {
        for_every_store!(@store disk, Disk, $($promise),*);
        for_every_store!(@store radosgw, Radosgw, $($promise),*);
        for_every_store!(@store s3s, S3s, $($promise),*);
        for_every_store!(@store azurite, Azurite, $($promise),*);
        for_every_store!(@store google, Google, $($promise),*);
    };
    (@store $module:ident, $store:ident, $($promise:ident),*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let store = roadstead_tests::stores::Store::$store;
                    if !crate::left_out(store) {
                        crate::suite::$promise(store).await;
                    }
                }
            )*
        }
    };
}

for_every_store!(
    what_is_pushed_in_any_way_is_pulled,
    any_range_of_a_blob_is_served,
    a_session_goes_on_after_a_kill_in_the_middle,
    a_session_ends_with_either_algorithm,
    sessions_that_end_leave_nothing,
    the_same_bytes_are_kept_once,
);
