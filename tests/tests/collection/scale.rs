//! What collection costs: as much as there is garbage, however large the store; and nobody waits.

use std::time::{Duration, Instant};

use roadstead_tests::content::{MANIFEST, image};
use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};
use serde_json::json;

use super::large::{Size, store};
use super::stage::ask;

/// Asks for a collection; how long it ran.
async fn collected_in(server: &Server, size: Size) -> Duration {
    let admin = server.admin();
    let path = ask(&admin, &json!({})).await;
    let mut began = None;
    loop {
        let found = admin.read_json(&path).await;
        match found["job_status"].as_str().unwrap() {
            "Pending" => began = Some(Instant::now()),
            "Running" => {
                began.get_or_insert_with(Instant::now);
            }
            "Success" => break,
            other => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.expect("a beginning").elapsed();
    let database = server.database().await;
    let left = database.number("SELECT COUNT(*) FROM blob WHERE id >= 1000").await;
    assert_eq!(usize::try_from(left).unwrap(), size.blobs - size.garbage, "{size:?}");
    assert_eq!(database.number("SELECT COUNT(*) FROM tombstone").await, 0);
    let wrong = "SELECT COUNT(*) FROM project_usage u WHERE project_id = 1 AND used <>
        (SELECT SUM(size) FROM blob) + (SELECT SUM(size) FROM manifest)";
    assert_eq!(database.number(wrong).await, 0, "usage is exact");
    database.close().await;
    took
}

async fn collection_costs_what_the_garbage_costs(on: fn(Setup) -> Setup) {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let scale = if quick { 10 } else { 1 };
    let mut took = Vec::new();
    for (blobs, garbage) in [(20_000, 2000), (200_000, 2000), (200_000, 20_000)] {
        let size = Size { blobs: blobs / scale, garbage: garbage / scale };
        let (server, ready, holds) = store(size, "0", on).await;
        let time = collected_in(&server, size).await;
        let each = time / u32::try_from(size.garbage).unwrap();
        println!("{size:?}: collected in {time:.2?}, {each:.2?} each; ready in {ready:.2?}");
        assert!(ready < Duration::from_secs(5), "ready only after {ready:?}");
        holds.too_long().await;
        took.push(time);
    }
    println!("ten times the store takes {:.2} times as long", took[1].div_duration_f64(took[0]));
    println!("ten times the garbage takes {:.2} times as long", took[2].div_duration_f64(took[1]));
    // A fixed cost of a few hundred milliseconds aside, as the machine has other work. The same
    // rows are on more pages of a larger database, and no two of them on the same one: that is a
    // factor of two or three. Walking the store would be one of ten.
    let slack = Duration::from_millis(500);
    assert!(took[1] < took[0] * 4 + slack, "ten times the store, the same garbage: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn collection_costs_what_the_garbage_costs_and_a_restart_costs_nothing_on_sqlite() {
    collection_costs_what_the_garbage_costs(Setup::sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collection_costs_what_the_garbage_costs_and_a_restart_costs_nothing_on_postgresql() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_none() {
        collection_costs_what_the_garbage_costs(Setup::postgres).await;
    }
}

/// How long each request took.
#[derive(Default)]
struct Waits(Vec<Duration>);

impl Waits {
    fn percentile(&self, part: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * part / 100).min(sorted.len() - 1)]
    }

    fn line(&self) -> String {
        let at = |part| format!("{:.1?}", self.percentile(part));
        format!("{} requests, {} {} {}", self.0.len(), at(50), at(99), at(100))
    }
}

/// Pulls and small pushes, one after the other, while `so`; the waits of each.
async fn work(person: &Person, tag: &str, mut so: impl FnMut() -> bool) -> [Waits; 2] {
    let mut waits = [Waits::default(), Waits::default()];
    let mut number = 0_u64;
    while so() {
        number += 1;
        let began = Instant::now();
        let pulled = person.get("/v2/library/real/manifests/v1").await;
        assert_eq!(pulled.status(), 200);
        pulled.bytes().await.unwrap();
        waits[0].0.push(began.elapsed());
        let mut manifest = image(b"{}", &[]);
        manifest["annotations"] = json!({"number": format!("{tag} {number}")});
        let bytes = manifest.to_string();
        let began = Instant::now();
        let name = format!("{tag}{number}");
        let put = person.put_manifest("library/real", &name, MANIFEST, bytes);
        assert_eq!(put.await.status(), 201);
        waits[1].0.push(began.elapsed());
    }
    waits
}

/// What a request may wait for collection.
const PATIENCE: Duration = Duration::from_millis(50);
/// What nearly all pushes are quicker than, without collection, on a machine without other work.
const QUIET: Duration = Duration::from_millis(20);

async fn nobody_waits_for_collection(on: fn(Setup) -> Setup) {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let size = Size { blobs: if quick { 20_000 } else { 200_000 }, garbage: 20_000 };
    let (server, _, holds) = store(size, "2000", on).await;
    let admin = server.admin();
    let (token, _) = admin.registry_token("repository:library/real:pull,push").await;
    let person = server.bearer(&token);
    let until = Instant::now() + Duration::from_secs(5);
    let mut quiet = work(&person, "before", || Instant::now() < until).await;
    let collection = collected_in(&server, size);
    let mut collection = std::pin::pin!(collection);
    let running = std::sync::atomic::AtomicBool::new(true);
    let busy = work(&person, "busy", || running.load(std::sync::atomic::Ordering::Relaxed));
    let (took, during) = tokio::join!(
        async {
            let took = collection.as_mut().await;
            running.store(false, std::sync::atomic::Ordering::Relaxed);
            took
        },
        busy
    );
    let until = Instant::now() + Duration::from_secs(5);
    let after = work(&person, "after", || Instant::now() < until).await;
    quiet.iter_mut().zip(after).for_each(|(quiet, after)| quiet.0.extend(after.0));
    let share = holds.too_long().await;
    // Where other work makes single pushes wait, it makes those beside collection wait, and single
    // transactions of collection, too.
    let alone = quiet[1].percentile(99) < QUIET;
    for (what, quiet, busy) in [("pulls", &quiet[0], &during[0]), ("pushes", &quiet[1], &during[1])]
    {
        println!("{what}: quiet {}; while {took:.1?} of collection {}", quiet.line(), busy.line());
        let (quiet, busy) = (quiet.percentile(99), busy.percentile(99));
        let noise = if alone { quiet } else { quiet * 2 };
        assert!(busy <= noise + PATIENCE, "{what}: {quiet:?} and {busy:?}");
    }
    if alone {
        assert!(share <= 0.02, "{share} of the transactions were too long");
    } else {
        println!("the machine is too busy to say more about {share} of the transactions");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_collection_on_sqlite() {
    nobody_waits_for_collection(Setup::sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_collection_on_postgresql() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_none() {
        nobody_waits_for_collection(Setup::postgres).await;
    }
}
