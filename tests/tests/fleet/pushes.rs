//! Many pushes at once through all servers, while everything that nobody needs is collected.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use rand::Rng as _;
use rand::rngs::StdRng;
use roadstead_tests::Server;
use roadstead_tests::content::{random_bytes, rng};

use crate::client::{Failed, Image, Registry, repository};
use crate::fleet::Fleet;

/// Layers that images have in common.
const SHARED: usize = 12;
/// What makes collection as dangerous as it can be: a lease ends long before a push does.
const HASTE: &[(&str, &str)] = &[
    ("ROADSTEAD_BLOB_LEASE", "20ms"),
    ("ROADSTEAD_DELETION_GRACE", "1s"),
    ("ROADSTEAD_UNDELETE_WINDOW", "100ms"),
    ("ROADSTEAD_JOB_INTERVAL", "1s"),
    ("ROADSTEAD_LOG", "warn"),
];

fn pushes() -> usize {
    std::env::var("ROADSTEAD_FLEET_PUSHES").map_or(200, |count| count.parse().expect("a number"))
}

/// Images of some layers that many have and one of their own, in some repositories.
fn images(rng: &mut StdRng, count: usize) -> Vec<Image> {
    let layer = |rng: &mut StdRng| {
        let length = rng.random_range(1_000..60_000);
        Bytes::from(random_bytes(rng, length))
    };
    let shared: Vec<Bytes> = (0..SHARED).map(|_| layer(rng)).collect();
    let image = |n: usize, rng: &mut StdRng| {
        let mut layers = vec![layer(rng)];
        let common = (0..3).map(|_| shared[rng.random_range(0..SHARED)].clone());
        layers.extend(common);
        Image { repository: repository(n), tag: format!("v{n}"), layers }
    };
    (0..count).map(|n| image(n, rng)).collect()
}

/// Pushes each image from a task of its own; every third is deleted at once. Returns those that
/// must be there.
async fn push_all(registry: &Arc<Registry>, images: Vec<Image>) -> (Vec<Image>, Vec<Failed>) {
    let mut tasks = tokio::task::JoinSet::new();
    for (n, image) in images.into_iter().enumerate() {
        let registry = registry.clone();
        tasks.spawn(async move {
            registry.push(&image).await?;
            if n % 3 == 0 {
                registry.delete(&image).await?;
                return Ok(None);
            }
            Ok(Some(image))
        });
    }
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    while let Some(ended) = tasks.join_next().await {
        match ended.expect("a push does not panic") {
            Ok(image) => kept.extend(image),
            Err(error) => failed.push(error),
        }
    }
    (kept, failed)
}

async fn unreadable(registry: &Registry, images: &[Image]) -> Vec<Failed> {
    let pulls = images.iter().map(|image| registry.pull(image));
    let pulled = stream::iter(pulls).buffer_unordered(16).collect::<Vec<_>>().await;
    pulled.into_iter().filter_map(Result::err).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_pushes_through_three_servers_survive_collection_in_haste() {
    let fleet = Fleet::start(3, HASTE);
    let hosts = fleet.servers.iter().map(Server::host).collect();
    let registry = Arc::new(Registry::new(hosts));
    let mut rng = rng();
    let since = Instant::now();
    let (kept, failed) = push_all(&registry, images(&mut rng, pushes())).await;
    println!(
        "{} pushes in {:?}: {} failed, {} requests, {} repeated, {} pushes begun again",
        pushes(),
        since.elapsed(),
        failed.len(),
        registry.requests.load(Ordering::Relaxed),
        registry.repeated.load(Ordering::Relaxed),
        registry.restarted.load(Ordering::Relaxed),
    );
    assert!(failed.is_empty(), "{failed:#?}");
    // Collection goes on; what images hold must stay.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let broken = unreadable(&registry, &kept).await;
    assert!(broken.is_empty(), "{broken:#?}");
    println!("{} images are readable after {:?}", kept.len(), since.elapsed());
    // While everything runs, and again at the end, when nothing does.
    fleet.servers[0].assert_clean(&["--deep"]);
}
