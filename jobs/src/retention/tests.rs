use std::sync::Arc;

use roadstead_model::{Clock as _, ManualClock, PrincipalId, RepositoryId};
use roadstead_storage::tables::audit::{self, Part};
use roadstead_storage::tables::execution::queues;
use roadstead_storage::tables::retention::Text;
use roadstead_storage::tables::retention::verdict;
use roadstead_storage::tables::schedule::{self, Schedule};
use roadstead_storage::tables::{paused_job, principal, project, repository};
use roadstead_storage::{Blobs, Db};
use serde_json::json;

use super::*;

const DAY: Duration = Duration::from_hours(24);

struct House {
    _directory: roadstead_storage::testing::Kept,
    db: Db,
    blobs: Blobs,
    clock: Arc<ManualClock>,
    repository: RepositoryId,
    policy: i64,
}

impl House {
    /// A project with a policy that keeps the two artifacts which were pushed last.
    async fn new() -> Self {
        let (directory, db) = roadstead_storage::testing::database(3).await;
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(micros(DAY * 1000))));
        let now = clock.now();
        let mut tx = db.begin().await.unwrap();
        let kind = principal::Kind::User;
        let owner: PrincipalId = principal::insert(&mut tx, kind, "ann", now).await.unwrap();
        let name = "team".parse().unwrap();
        let project = project::insert(&mut tx, &name, owner, false, -1, now).await.unwrap();
        let name = "team/app".parse().unwrap();
        let repository = repository::ensure(&mut tx, project, &name, now).await.unwrap();
        let rules = json!([{
            "action": "retain", "template": "latestPushedK", "params": {"latestPushedK": 2},
            "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "**"}],
        }]);
        let text = Text {
            algorithm: "or".to_owned(),
            rules: rules.to_string(),
            cron: String::new(),
            delete_when_nothing_matches: false,
        };
        let policy = retention::insert(&mut tx, project, &text, now).await.unwrap();
        tx.commit().await.unwrap();
        Self { _directory: directory, db, blobs, clock, repository, policy }
    }

    /// A worker of its own name.
    async fn worker(&self, pool: &str) -> Worker {
        let policy = crate::Policy::default();
        let (db, blobs, clock) = (self.db.clone(), self.blobs.clone(), self.clock.clone());
        let mut worker = Worker::new(db, blobs, clock, policy).await.unwrap();
        pool.clone_into(&mut worker.pool.id);
        worker
    }

    /// Artifacts that were pushed a day after each other.
    async fn push(&self, count: usize) {
        let mut tx = self.db.begin().await.unwrap();
        for number in 0..count {
            let digest = format!("sha256:{number:064x}").parse().unwrap();
            let new = roadstead_storage::tables::manifest::NewManifest {
                digest: &digest,
                media_type: "application/vnd.oci.image.manifest.v1+json",
                is_index: false,
                bytes: b"{}",
                depth: 0,
                subject: None,
                artifact_type: None,
                annotations: None,
                facts: roadstead_storage::tables::manifest::Facts::default(),
            };
            let at = Timestamp(micros(DAY) * i64::try_from(number).unwrap());
            let made =
                roadstead_storage::tables::manifest::insert(&mut tx, self.repository, new, at);
            made.await.unwrap().expect("a new manifest");
        }
        tx.commit().await.unwrap();
    }

    async fn left(&self) -> usize {
        let mut conn = self.db.read().await.unwrap();
        let now = self.clock.now();
        let found = retention::candidate::all(&mut conn, self.repository, now).await.unwrap();
        found.len()
    }

    async fn ask(&self, parameters: &str) -> i64 {
        let mut tx = self.db.begin().await.unwrap();
        let (of, now) = ((RETENTION, self.policy), self.clock.now());
        let id = vendor::insert(&mut tx, of, "MANUAL", parameters, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn find(&self, id: i64) -> Execution {
        let mut conn = self.db.read().await.unwrap();
        vendor::find(&mut conn, (RETENTION, self.policy), id).await.unwrap().unwrap()
    }

    async fn tasks(&self, execution: i64) -> Vec<Task> {
        task::list(&mut self.db.read().await.unwrap(), execution, 99, 0).await.unwrap()
    }

    /// The events of the log as `<operation>_<type>` and who did it.
    async fn log(&self) -> Vec<(String, String)> {
        let mut conn = self.db.read().await.unwrap();
        let order = [("a.id", false)];
        let found = audit::list(&mut conn, Part::Everything, &[], &order, 1000, 0).await.unwrap();
        let kind = |event: &audit::Entry| format!("{}_{}", event.operation, event.resource_type);
        found.iter().map(|event| (kind(event), event.actor.clone())).collect()
    }
}

#[tokio::test]
async fn an_execution_deletes_what_no_rule_keeps_in_the_name_of_its_policy() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.push(25).await;
        let stop = CancellationToken::new();
        let worker = house.worker("one").await;
        let dry = house.ask(r#"{"dry_run":true}"#).await;
        worker.retain_what_is_asked_for(&stop).await.unwrap();
        assert_eq!((house.find(dry).await.status.as_str(), house.left().await), ("Success", 25));
        let found = house.tasks(dry).await;
        assert_eq!((found.len(), found[0].total, found[0].retained), (1, 25, 2));
        let wet = house.ask("{}").await;
        worker.retain_what_is_asked_for(&stop).await.unwrap();
        assert_eq!((house.find(wet).await.status.as_str(), house.left().await), ("Success", 2));
        let found = house.tasks(wet).await;
        assert_eq!((found[0].total, found[0].retained), (25, 2));
        let log = house.log().await;
        let actor = format!("retention policy {}", house.policy);
        let deleted = |event: &&(String, String)| event.0 == "delete_artifact";
        assert_eq!(log.iter().filter(deleted).count(), 23);
        assert!(log.iter().filter(deleted).all(|event| event.1 == actor));
        assert_eq!(log.iter().filter(|event| event.0 == "run_retention").count(), 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_goes_on_decides_nothing_anew_and_whoever_comes_back_changes_nothing() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.push(25).await;
        let stop = CancellationToken::new();
        let (first, second) = (house.worker("first").await, house.worker("second").await);
        let id = house.ask("{}").await;
        let found = first.take_retention().await.unwrap().unwrap();
        assert!(second.take_retention().await.unwrap().is_none());
        let policy = retention::find(&mut house.db.read().await.unwrap(), house.policy).await;
        let policy = policy.unwrap().unwrap();
        let run = first.plan(&found, &policy, &stop).await.unwrap().unwrap().unwrap();
        let begun = house.tasks(id).await.remove(0);
        assert!(run.decide(&begun).await.unwrap());

        // The first worker is silent; somebody else goes on, after the policy was changed.
        let text = Text { rules: "[]".to_owned(), ..policy.text.clone() };
        let mut tx = house.db.begin().await.unwrap();
        retention::update(&mut tx, policy.id, &text, house.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        second.retain_what_is_asked_for(&stop).await.unwrap();
        assert_eq!(house.left().await, 25, "it is not silent for long enough");
        house.clock.advance(SILENT * 2);
        second.take_back_silent().await.unwrap();
        assert_eq!(run.delete_all(&begun).await.unwrap(), End::Elsewhere);
        let taken = second.take_retention().await.unwrap().unwrap();
        assert_eq!(run.delete_all(&begun).await.unwrap(), End::Elsewhere);
        assert_eq!(run.end_task(&begun, Status::Error, "").await.unwrap(), End::Elsewhere);
        assert_eq!(house.left().await, 25);
        second.run_retention(&taken, &stop).await.unwrap();
        assert_eq!((house.find(id).await.status.as_str(), house.left().await), ("Success", 2));
        assert_eq!(house.tasks(id).await[0].retained, 2);
    })
    .await;
}

#[tokio::test]
async fn an_execution_that_is_stopped_in_between_deletes_nothing_more() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.push(25).await;
        let stop = CancellationToken::new();
        let worker = house.worker("one").await;
        let id = house.ask("{}").await;
        let found = worker.take_retention().await.unwrap().unwrap();
        let policy = retention::find(&mut house.db.read().await.unwrap(), house.policy).await;
        let policy = policy.unwrap().unwrap();
        let run = worker.plan(&found, &policy, &stop).await.unwrap().unwrap().unwrap();
        let begun = house.tasks(id).await.remove(0);
        assert!(run.decide(&begun).await.unwrap());
        let mut conn = house.db.read().await.unwrap();
        let some = verdict::waiting(&mut conn, begun.id, 10).await.unwrap();
        drop(conn);
        let begun = house.tasks(id).await.remove(0);
        assert_eq!(run.delete(&begun, &some).await.unwrap(), End::Done);
        let after = house.left().await;
        assert!((15..25).contains(&after), "{after} are left");
        let mut tx = house.db.begin().await.unwrap();
        assert!(execution::stop(&mut tx, id, "stopped", house.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(run.all_tasks().await.unwrap(), End::Elsewhere);
        worker.retain_what_is_asked_for(&stop).await.unwrap();
        let found = house.find(id).await;
        assert_eq!((found.status.as_str(), house.left().await), ("Stopped", after));
        assert_eq!(house.tasks(id).await[0].status, "Stopped");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stops_leaves_its_execution_to_others_and_what_is_paused_waits() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        house.push(25).await;
        let (stopped, stop) = (CancellationToken::new(), CancellationToken::new());
        let id = house.ask("{}").await;
        let first = house.worker("first").await;
        let found = first.take_retention().await.unwrap().unwrap();
        stopped.cancel();
        first.run_retention(&found, &stopped).await.unwrap();
        assert_eq!(house.find(id).await.status, "Pending");
        let mut tx = house.db.begin().await.unwrap();
        paused_job::pause(&mut tx, RETENTION, house.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let second = house.worker("second").await;
        second.retain_what_is_asked_for(&stop).await.unwrap();
        assert_eq!(house.left().await, 25);
        let mut tx = house.db.begin().await.unwrap();
        paused_job::resume(&mut tx, RETENTION).await.unwrap();
        tx.commit().await.unwrap();
        second.retain_what_is_asked_for(&stop).await.unwrap();
        assert_eq!((house.find(id).await.status.as_str(), house.left().await), ("Success", 2));
        let mut conn = house.db.read().await.unwrap();
        assert!(queues::running(&mut conn).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_schedule_of_a_policy_fires_once_for_each_moment_however_many_look() {
    roadstead_storage::testing::on_both_engines(async || {
        let house = House::new().await;
        let now = house.clock.now();
        let schedule = Schedule {
            job: RETENTION.to_owned(),
            vendor: house.policy,
            kind: "Custom".to_owned(),
            cron: "0 0 0 * * *".to_owned(),
            parameters: "{}".to_owned(),
            next_at: Some(now),
            created_at: now,
            updated_at: now,
        };
        let mut tx = house.db.begin().await.unwrap();
        schedule::put(&mut tx, &schedule).await.unwrap();
        tx.commit().await.unwrap();
        let (first, second) = (house.worker("first").await, house.worker("second").await);
        for _ in 0..3 {
            let (a, b) = tokio::join!(first.fire_schedules(&WORK), second.fire_schedules(&WORK));
            a.and(b).unwrap();
        }
        let of = (RETENTION, house.policy);
        let all = vendor::list(&mut house.db.read().await.unwrap(), of, 9, 0).await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].kind, "SCHEDULE");
        let due = schedule::due(&mut house.db.read().await.unwrap(), RETENTION, now).await;
        assert!(due.unwrap().is_empty());
    })
    .await;
}
