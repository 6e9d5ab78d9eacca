//! What a server keeps in memory of the bytes that pass through it on their way to a store and
//! back.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use roadstead_tests::content::{hex, random_bytes, rng};
use roadstead_tests::http::{Person, with_query};
use roadstead_tests::stores::{Faults, S3s, Store, Trouble};
use sha2::{Digest as _, Sha256};

use super::left_out;

const MIB: u64 = 1 << 20;

/// The size of parts, which is the default.
const PART: u64 = 8 * MIB;

/// What an upload may take: three parts, and what the connection to the client and the batches of
/// the body hold, with what the allocator keeps of that.
const PER_UPLOAD: u64 = 3 * PART + 8 * MIB;

/// What the first upload, or download, costs once: connections, threads, the database's pages.
const ONCE: u64 = 8 * MIB;

/// So many MiB of a blob that is unlike the others.
#[derive(Clone)]
struct Content {
    name: u64,
    blocks: u64,
    filling: Bytes,
}

impl Content {
    fn block(&self, n: u64) -> Bytes {
        let mut bytes = self.filling.to_vec();
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.name.to_le_bytes());
        bytes.into()
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        (0..self.blocks).for_each(|n| hash.update(self.block(n)));
        format!("sha256:{}", hex(&hash.finalize()))
    }
}

async fn push(person: &Person, content: Content) -> String {
    let digest = content.digest();
    let location = person.start_upload("library/large").await;
    let own = content.clone();
    let body = stream::iter(0..content.blocks).map(move |n| Ok::<_, std::io::Error>(own.block(n)));
    let body = reqwest::Body::wrap_stream(body);
    let answer = person.send("PATCH", &location).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    let url = with_query(&location, &format!("digest={digest}"));
    assert_eq!(person.send("PUT", &url).send().await.unwrap().status(), 201);
    digest
}

/// Pulls a blob, as slowly as that.
async fn pull(person: &Person, digest: &str, pause: Duration) {
    let answer = person.get(&format!("/v2/library/large/blobs/{digest}")).await;
    assert_eq!(answer.status(), 200);
    let (mut hash, mut pieces) = (Sha256::new(), answer.bytes_stream());
    while let Some(piece) = pieces.next().await {
        hash.update(piece.expect("the body goes on"));
        tokio::time::sleep(pause).await;
    }
    assert_eq!(format!("sha256:{}", hex(&hash.finalize())), digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_through_to_a_store_and_back_takes_as_much_memory_as_is_said() {
    if left_out(Store::S3s) {
        return;
    }
    let mut rng = rng();
    let store = S3s::new();
    let (faults, endpoint) = Faults::start(&store.endpoint(), rng.clone());
    let setup = Store::S3s.place().behind(&endpoint).setup();
    let server = setup.env("ROADSTEAD_STORAGE_PART_SIZE", "8MiB").start();
    let admin = server.admin();
    let filling = Bytes::from(random_bytes(&mut rng, 1 << 20));
    let content = |name, blocks| Content { name, blocks, filling: filling.clone() };
    admin.push_blob("library/large", b"small").await;
    let before = server.peak_memory();
    // A store that is slower than the client, so that as much waits as ever may.
    faults.make(Trouble { delay: Duration::from_millis(60), ..Trouble::default() });
    let mut digests = vec![push(&admin, content(0, 400)).await];
    let one = server.peak_memory() - before;
    digests.extend(join_all((1..5).map(|name| push(&admin, content(name, 200)))).await);
    let four = server.peak_memory() - before;
    println!("memory grew by {} MiB for one upload, {} for four", one / MIB, four / MIB);
    assert!(one <= PER_UPLOAD + ONCE, "an upload took {} MiB", one / MIB);
    assert!(four <= 4 * PER_UPLOAD + ONCE, "four uploads took {} MiB", four / MIB);
    faults.make(Trouble::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_wait_for_their_clients_at_the_store_and_not_in_memory() {
    if left_out(Store::S3s) {
        return;
    }
    let mut rng = rng();
    let place = Store::S3s.place();
    let mut server = place.setup().start();
    let filling = Bytes::from(random_bytes(&mut rng, 1 << 20));
    let digest = push(&server.admin(), Content { name: 0, blocks: 200, filling }).await;
    server.kill();
    server.start();
    let admin = server.admin();
    pull(&admin, &digest, Duration::ZERO).await;
    let before = server.peak_memory();
    join_all((0..4).map(|_| pull(&admin, &digest, Duration::from_millis(1)))).await;
    let after = server.peak_memory();
    println!("{} MiB after one download, {} after four at once", before / MIB, after / MIB);
    assert!(after < 48 * MIB, "resident memory grew to {} MiB", after / MIB);
    assert!(after - before < 4 * 4 * MIB, "four downloads took {} MiB", (after - before) / MIB);
}
