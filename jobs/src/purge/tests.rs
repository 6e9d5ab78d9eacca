use std::sync::Arc;

use roadstead_model::{Clock as _, ManualClock, Origin};
use roadstead_storage::tables::audit::{self, Actor, Event, Part};
use roadstead_storage::tables::schedule::{self, Schedule};
use roadstead_storage::tables::setting;
use roadstead_storage::{Blobs, Db};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

struct House {
    _directory: roadstead_storage::testing::Kept,
    db: Db,
    clock: Arc<ManualClock>,
    worker: Worker,
    stop: CancellationToken,
}

impl House {
    async fn new() -> Self {
        let (directory, db) = roadstead_storage::testing::database(2).await;
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let policy = crate::Policy::default();
        let worker = Worker::new(db.clone(), blobs, clock.clone(), policy).await.unwrap();
        Self { _directory: directory, db, clock, worker, stop: CancellationToken::new() }
    }

    async fn record(&self, event: Event<'_>, count: usize) {
        let mut tx = self.db.begin().await.unwrap();
        let origin = Origin::default();
        for _ in 0..count {
            let actor = Actor { principal: None, name: "ann", origin: &origin };
            audit::record(&mut tx, actor, event, self.clock.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// The events of the log as `<operation>_<type>`, the oldest first, and how many of each.
    async fn log(&self) -> Vec<(String, usize)> {
        let mut conn = self.db.read().await.unwrap();
        let order = [("a.id", false)];
        let found = audit::list(&mut conn, Part::Everything, &[], &order, 100_000, 0).await;
        let mut log: Vec<(String, usize)> = Vec::new();
        for event in found.unwrap() {
            let kind = format!("{}_{}", event.operation, event.resource_type);
            match log.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => log.push((kind, 1)),
            }
        }
        log
    }

    async fn ask(&self, parameters: &str) -> i64 {
        let mut tx = self.db.begin().await.unwrap();
        let now = self.clock.now();
        let id =
            execution::insert(&mut tx, PURGE_AUDIT_LOG, "MANUAL", parameters, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn work(&self) {
        self.worker.purge_what_is_asked_for(&self.stop).await.unwrap();
    }

    async fn find(&self, id: i64) -> Execution {
        let mut conn = self.db.read().await.unwrap();
        execution::find(&mut conn, PURGE_AUDIT_LOG, id).await.unwrap().unwrap()
    }

    async fn executions(&self) -> Vec<Execution> {
        let mut conn = self.db.read().await.unwrap();
        let order = [("e.id", false)];
        execution::list(&mut conn, PURGE_AUDIT_LOG, &[], &order, 100, 0).await.unwrap()
    }
}

fn parameters(hours: i64, types: &str, dry_run: bool) -> String {
    let wanted = PurgeParameters {
        audit_retention_hour: hours,
        include_event_types: types.to_owned(),
        dry_run,
        purged: None,
    };
    serde_json::to_string(&wanted).unwrap()
}

fn counted(kind: &str, count: usize) -> (String, usize) {
    (kind.to_owned(), count)
}

#[tokio::test]
async fn only_old_events_of_the_chosen_types_go_and_a_dry_run_only_counts() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.record(Event::of("artifact", "a", "create"), 2500).await;
        house.record(Event::of("artifact", "a", "delete"), 3).await;
        // Still to be forwarded.
        let mut tx = house.db.begin().await.unwrap();
        setting::set(&mut tx, "config.audit_log_forward_endpoint", "x:1").await.unwrap();
        tx.commit().await.unwrap();
        house.record(Event::of("artifact", "a", "create"), 2).await;
        let mut tx = house.db.begin().await.unwrap();
        setting::set(&mut tx, "config.audit_log_forward_endpoint", "").await.unwrap();
        tx.commit().await.unwrap();
        house.clock.advance(2 * HOUR);
        house.record(Event::of("artifact", "a", "create"), 1).await;

        for wanted in [
            parameters(1, "create_artifact", true),
            parameters(1, "", false),
            parameters(3, "create_artifact", false),
        ] {
            house.ask(&wanted).await;
            house.work().await;
            let log = house.log().await;
            assert_eq!(log[..2], [counted("create_artifact", 2503), counted("delete_artifact", 3)]);
        }
        let dry = house.executions().await.remove(0);
        assert!(dry.parameters.contains("\"purged\":2500"), "{}", dry.parameters);
        assert!(
            dry.log.contains("2500 rows of audit logs older than 1 hours would be deleted"),
            "{}",
            dry.log
        );

        let id = house.ask(&parameters(1, "create_artifact, login_user", false)).await;
        house.work().await;
        let found = house.find(id).await;
        assert_eq!(found.status, "Success");
        assert!(found.parameters.contains("\"purged\":2500"), "{}", found.parameters);
        // What waits and what is young stays, and each run is an event itself.
        let expected =
            [counted("delete_artifact", 3), counted("create_artifact", 3), counted("run_purge", 4)];
        assert_eq!(house.log().await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_schedule_fires_once_for_each_moment_however_many_look() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        let schedule = Schedule {
            job: PURGE_AUDIT_LOG.to_owned(),
            vendor: 0,
            kind: "Custom".to_owned(),
            cron: "*/10 * * * * *".to_owned(),
            parameters: parameters(1, "create_artifact", false),
            next_at: Some(Timestamp(10_000_000)),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        let mut tx = house.db.begin().await.unwrap();
        schedule::put(&mut tx, &schedule).await.unwrap();
        tx.commit().await.unwrap();
        let look = async || {
            let (first, second) = tokio::join!(
                house.worker.purge_what_is_asked_for(&house.stop),
                house.worker.purge_what_is_asked_for(&house.stop),
            );
            first.and(second).unwrap();
            house.executions().await.len()
        };
        assert_eq!(look().await, 0, "before its time");
        house.clock.advance(Duration::from_secs(10));
        assert_eq!(look().await, 1);
        assert_eq!(look().await, 1);
        house.clock.advance(Duration::from_secs(10));
        assert_eq!(look().await, 2);
        // Moments that passed while nothing ran are made up for once.
        house.clock.advance(Duration::from_mins(10));
        assert_eq!(look().await, 3);
        assert!(
            house.executions().await.iter().all(|e| e.kind == "SCHEDULE" && e.status == "Success")
        );
        assert_eq!(house.log().await, [counted("run_purge", 3)]);
        for _ in 0..12 {
            house.clock.advance(Duration::from_secs(10));
            look().await;
        }
        assert_eq!(house.executions().await.len(), 10, "the last ten are remembered");
    })
    .await;
}

#[tokio::test]
async fn a_purge_that_was_stopped_or_lost_holds_up_no_other() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.record(Event::of("artifact", "a", "create"), 10).await;
        house.clock.advance(2 * HOUR);
        let wanted = parameters(1, "create_artifact", false);
        let stopped = house.ask(&wanted).await;
        let mut tx = house.db.begin().await.unwrap();
        let now = house.clock.now();
        assert!(execution::stop(&mut tx, stopped, "stopped by admin", now).await.unwrap());
        tx.commit().await.unwrap();
        // A worker that took this one has gone away.
        let lost = house.ask(&wanted).await;
        house.worker.take(&WORK).await.unwrap().unwrap();
        house.work().await;
        assert_eq!(house.find(stopped).await.status, "Stopped");
        assert_eq!(house.find(lost).await.status, "Running");
        // Stopped while it runs: what follows is left alone.
        let running = house.ask(&wanted).await;
        let taken = house.worker.take(&WORK).await.unwrap().unwrap();
        let mut tx = house.db.begin().await.unwrap();
        assert!(execution::stop(&mut tx, running, "stopped by admin", now).await.unwrap());
        tx.commit().await.unwrap();
        house.worker.run_purge(&taken, &house.stop).await.unwrap();
        assert_eq!(house.find(running).await.status, "Stopped");
        assert_eq!(house.log().await[0], counted("create_artifact", 10));

        house.clock.advance(crate::executions::LOST_AFTER + Duration::from_secs(1));
        let next = house.ask(&wanted).await;
        house.work().await;
        assert_eq!(house.find(lost).await.status, "Error");
        assert_eq!(house.find(next).await.status, "Success");
        assert_eq!(house.log().await, [counted("run_purge", 3)]);
        // The server stops.
        let interrupted = house.ask(&wanted).await;
        let taken = house.worker.take(&WORK).await.unwrap().unwrap();
        house.stop.cancel();
        house.worker.run_purge(&taken, &house.stop).await.unwrap();
        assert_eq!(house.find(interrupted).await.status, "Stopped");
    })
    .await;
}
