use std::sync::Arc;

use roadstead_model::{ManualClock, Origin};
use roadstead_storage::tables::audit::{Actor, Event};
use roadstead_storage::{Blobs, Db};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct House {
    _directory: roadstead_storage::testing::Kept,
    db: Db,
    clock: Arc<ManualClock>,
    worker: Worker,
}

impl House {
    async fn new() -> Self {
        let (directory, db) = roadstead_storage::testing::database(2).await;
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000)));
        let policy = crate::Policy::default();
        let worker = Worker::new(db.clone(), blobs, clock.clone(), policy).await.unwrap();
        Self { _directory: directory, db, clock, worker }
    }

    async fn set(&self, key: &str, value: &str) {
        let mut tx = self.db.begin().await.unwrap();
        setting::set(&mut tx, &format!("config.{key}"), value).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn record(&self, names: std::ops::Range<u32>) {
        let mut tx = self.db.begin().await.unwrap();
        let origin = Origin::default();
        for name in names {
            let actor = Actor { principal: None, name: &format!("n{name}"), origin: &origin };
            let event = Event::of("tag", "team/web:1", "create");
            audit::record(&mut tx, actor, event, Timestamp(1)).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn waiting(&self) -> usize {
        forward::waiting(&mut self.db.read().await.unwrap(), 10_000).await.unwrap().len()
    }

    async fn rows(&self) -> i64 {
        let mut conn = self.db.read().await.unwrap();
        audit::count(&mut conn, audit::Part::Everything, &[]).await.unwrap()
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Reads a connection to its end and returns the actors, in order.
async fn actors(mut stream: TcpStream) -> Vec<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    stream.shutdown().await.unwrap();
    text.split("actor=\"").skip(1).map(|rest| rest[..rest.find('"').unwrap()].into()).collect()
}

fn names(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("n{n}")).collect()
}

#[tokio::test]
async fn every_event_arrives_in_order_and_waits_no_longer() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        let (collector, address) = listen().await;
        house.record(0..1).await;
        house.set("audit_log_forward_endpoint", &address).await;
        house.record(1..1200).await;
        let collected = tokio::spawn(async move {
            let mut all = Vec::new();
            for _ in 0..3 {
                all.extend(actors(collector.accept().await.unwrap().0).await);
            }
            all
        });
        house.worker.forward_waiting(&mut State::default()).await.unwrap();
        assert_eq!(collected.await.unwrap(), names(1..1200), "only what came after the endpoint");
        assert_eq!((house.waiting().await, house.rows().await), (0, 1200));
    })
    .await;
}

#[tokio::test]
async fn what_a_collector_did_not_read_is_sent_again() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        let (collector, address) = listen().await;
        house.set("audit_log_forward_endpoint", &address).await;
        house.record(0..50).await;
        let mut state = State::default();
        // It takes the first bytes and dies.
        let dying = async {
            let (mut stream, _) = collector.accept().await.unwrap();
            stream.read_exact(&mut [0; 100]).await.unwrap();
            drop(stream);
        };
        let (outcome, ()) = tokio::join!(house.worker.forward_waiting(&mut state), dying);
        outcome.unwrap();
        assert_eq!((house.waiting().await, state.failures), (50, 1));
        // It reads everything, and never closes.
        state.retry_at = None;
        let hanging = async {
            let (mut stream, _) = collector.accept().await.unwrap();
            let mut sink = Vec::new();
            stream.read_to_end(&mut sink).await.unwrap();
            tokio::time::sleep(Duration::from_secs(6)).await;
        };
        let (outcome, ()) = tokio::join!(house.worker.forward_waiting(&mut state), hanging);
        outcome.unwrap();
        assert_eq!((house.waiting().await, state.failures), (50, 2));
        // Nobody is asked before the time has come.
        house.worker.forward_waiting(&mut state).await.unwrap();
        assert_eq!(state.failures, 2);
        state.retry_at = None;
        let reading = async { actors(collector.accept().await.unwrap().0).await };
        let (outcome, read) = tokio::join!(house.worker.forward_waiting(&mut state), reading);
        outcome.unwrap();
        assert_eq!(read, names(0..50));
        assert_eq!((house.waiting().await, state.failures), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn events_are_kept_by_the_collector_only_where_that_is_wanted() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        let (collector, address) = listen().await;
        house.record(0..3).await;
        house.set("audit_log_forward_endpoint", &address).await;
        house.set("skip_audit_log_database", "true").await;
        house.record(3..5).await;
        let mut state = State::default();
        let reading = async { actors(collector.accept().await.unwrap().0).await };
        let (outcome, read) = tokio::join!(house.worker.forward_waiting(&mut state), reading);
        outcome.unwrap();
        assert_eq!((read, house.rows().await), (names(3..5), 3));
    })
    .await;
}

#[tokio::test]
async fn without_an_endpoint_nothing_waits_and_a_bad_one_loses_nothing() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.set("audit_log_forward_endpoint", "tls://127.0.0.1:1").await;
        house.set("audit_log_forward_ca_certificate", "no certificate").await;
        house.record(0..600).await;
        let mut state = State::default();
        house.worker.forward_waiting(&mut state).await.unwrap();
        assert_eq!((house.waiting().await, state.failures), (600, 1));
        house.set("audit_log_forward_endpoint", "").await;
        house.worker.forward_waiting(&mut state).await.unwrap();
        assert_eq!((house.waiting().await, house.rows().await), (0, 600));
    })
    .await;
}

#[tokio::test]
async fn one_replica_forwards_and_another_takes_over() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        let (collector, address) = listen().await;
        house.set("audit_log_forward_endpoint", &address).await;
        house.record(0..1).await;
        let (mut first, mut second) = (State::default(), State::default());
        assert!(house.worker.take_lease(&mut first).await.unwrap());
        house.worker.forward_waiting(&mut second).await.unwrap();
        assert_eq!((house.waiting().await, second.failures), (1, 0), "the other one would do it");
        house.clock.advance(LEASE);
        let reading = async { actors(collector.accept().await.unwrap().0).await };
        let (outcome, read) = tokio::join!(house.worker.forward_waiting(&mut second), reading);
        outcome.unwrap();
        assert_eq!((read, house.waiting().await), (names(0..1), 0));
    })
    .await;
}
