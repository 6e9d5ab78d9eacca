use std::time::Duration;

use roadstead_model::webhook::{Event, EventData, EventType};
use roadstead_model::{PrincipalId, ProjectId};

use super::*;
use crate::tables::webhook_policy::{self, Policy};
use crate::tables::webhook_target::{self, Target};
use crate::tables::{project, setting};
use crate::testing::{Kept, database, on_both_engines};
use crate::{Db, Error};

const NOW: Timestamp = Timestamp(5_000_000);

struct House {
    _kept: Kept,
    db: Db,
    project: ProjectId,
}

impl House {
    async fn new() -> Self {
        let (kept, db) = database(2).await;
        let mut tx = db.begin().await.unwrap();
        tx.query(
            "INSERT INTO principal (kind, name, created_at, updated_at) VALUES ('user', 'a', 1, 1)",
        )
        .execute()
        .await
        .unwrap();
        let (owner,): (i64,) = tx.query("SELECT MAX(id) FROM principal").fetch_one().await.unwrap();
        let name = "team".parse().unwrap();
        let project = project::insert(&mut tx, &name, PrincipalId(owner), false, -1, NOW).await;
        tx.commit().await.unwrap();
        Self { _kept: kept, db, project: project.unwrap() }
    }

    /// A policy with so many targets.
    async fn policy(&self, name: &str, events: &[EventType], targets: i64) -> Policy {
        let mut tx = self.db.begin().await.unwrap();
        let mut policy = Policy {
            id: 0,
            project: self.project,
            name: name.to_owned(),
            description: String::new(),
            event_types: events.iter().map(|event| event.name().to_owned()).collect(),
            enabled: true,
            creator: "a".to_owned(),
            created_at: NOW,
            updated_at: NOW,
        };
        policy.id = webhook_policy::insert(&mut tx, &policy).await.unwrap();
        for position in 0..targets {
            let target = target(policy.id);
            webhook_target::insert(&mut tx, position, &target).await.unwrap();
        }
        tx.commit().await.unwrap();
        policy
    }

    async fn raise(&self, kind: EventType) {
        let mut tx = self.db.begin().await.unwrap();
        raise(&mut tx, self.project, &event(kind), NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn all(&self, policy: &Policy) -> Vec<Delivery> {
        let mut conn = self.db.read().await.unwrap();
        list(&mut conn, policy.id, &[], &[("d.id", false)], 1000, 0).await.unwrap()
    }

    async fn take(&self, target: i64, now: Timestamp) -> Option<Delivery> {
        let mut tx = self.db.begin().await.unwrap();
        let taken = take(&mut tx, target, now, now.after(LEASE)).await.unwrap();
        tx.commit().await.unwrap();
        taken
    }

    async fn finish(&self, taken: &Delivery, status: Status, next: Option<Timestamp>) -> bool {
        let mut tx = self.db.begin().await.unwrap();
        let outcome = Outcome { status, next_at: next, line: "x".to_owned() };
        let finished = finish(&mut tx, taken, &outcome, NOW).await.unwrap();
        tx.commit().await.unwrap();
        finished
    }

    async fn target_of(&self, policy: &Policy) -> i64 {
        let mut conn = self.db.read().await.unwrap();
        webhook_target::of(&mut conn, &[policy.id]).await.unwrap()[0].id
    }
}

const LEASE: Duration = Duration::from_mins(1);

fn target(policy: i64) -> Target {
    Target {
        id: 0,
        policy,
        kind: "http".to_owned(),
        address: "https://example.com/".to_owned(),
        payload_format: "Default".to_owned(),
        skip_cert_verify: false,
        auth_header: None,
        secret: None,
    }
}

fn event(kind: EventType) -> Event {
    Event {
        kind,
        occur_at: 5,
        operator: "a".to_owned(),
        request_id: String::new(),
        event_data: EventData::default(),
    }
}

#[tokio::test]
async fn only_those_are_told_who_want_to_be() {
    on_both_engines(async || {
        let house = House::new().await;
        let pushes = house.policy("pushes", &[EventType::PushArtifact], 2).await;
        let all = house.policy("all", EventType::RAISED, 1).await;
        let mut off = house.policy("off", EventType::RAISED, 1).await;
        off.enabled = false;
        let mut tx = house.db.begin().await.unwrap();
        assert!(webhook_policy::update(&mut tx, &off).await.unwrap());
        tx.commit().await.unwrap();
        house.raise(EventType::PushArtifact).await;
        house.raise(EventType::PullArtifact).await;
        assert_eq!(house.all(&pushes).await.len(), 2);
        assert_eq!(house.all(&all).await.len(), 2);
        assert_eq!(house.all(&off).await.len(), 0);
        let mut tx = house.db.begin().await.unwrap();
        setting::set(&mut tx, "config.notification_enable", "false").await.unwrap();
        tx.commit().await.unwrap();
        house.raise(EventType::PushArtifact).await;
        assert_eq!(house.all(&all).await.len(), 2);
        let mut conn = house.db.read().await.unwrap();
        assert!(is_switched_off(&mut conn).await.unwrap());
        let found = projects_with(&mut conn, EventType::PullArtifact).await.unwrap();
        assert!(found.is_empty(), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_comes_back_when_its_worker_is_gone() {
    on_both_engines(async || {
        let house = House::new().await;
        let policy = house.policy("p", EventType::RAISED, 1).await;
        let target = house.target_of(&policy).await;
        house.raise(EventType::PushArtifact).await;
        let first = house.take(target, NOW).await.unwrap();
        assert_eq!((first.attempts, first.status.as_str()), (1, "Pending"));
        assert_eq!(house.take(target, NOW).await, None, "it is taken");
        let late = NOW.after(LEASE);
        let second = house.take(target, late).await.unwrap();
        assert_eq!((second.id, second.attempts), (first.id, 2));
        assert!(!house.finish(&first, Status::Success, None).await, "it is somebody else's");
        assert!(house.finish(&second, Status::Pending, Some(late.after(LEASE))).await);
        assert_eq!(house.take(target, late).await, None, "it waits");
        let third = house.take(target, late.after(LEASE)).await.unwrap();
        assert!(house.finish(&third, Status::Success, None).await);
        let mut conn = house.db.read().await.unwrap();
        let end = Timestamp(i64::MAX);
        assert!(!is_anything_due(&mut conn, end).await.unwrap());
        assert!(due(&mut conn, 0, end, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn so_many_are_kept_and_so_many_wait() {
    on_both_engines(async || {
        let house = House::new().await;
        let policy = house.policy("p", EventType::RAISED, 1).await;
        let target = house.target_of(&policy).await;
        for _ in 0..6 {
            house.raise(EventType::PushArtifact).await;
        }
        let ids: Vec<i64> = house.all(&policy).await.iter().map(|found| found.id).collect();
        let mut tx = house.db.begin().await.unwrap();
        assert_eq!(give_up_beyond(&mut tx, target, 6, NOW).await.unwrap(), 0);
        assert_eq!(give_up_beyond(&mut tx, target, 2, NOW).await.unwrap(), 4);
        tx.commit().await.unwrap();
        let status = |found: &Delivery| (found.id, found.status.clone());
        let found: Vec<_> = house.all(&policy).await.iter().map(status).collect();
        let expected =
            |(at, id): (usize, &i64)| (*id, if at < 4 { "Error" } else { "Pending" }.to_owned());
        assert_eq!(found, ids.iter().enumerate().map(expected).collect::<Vec<_>>());
        let mut tx = house.db.begin().await.unwrap();
        assert_eq!(trim(&mut tx, policy.id, 1).await.unwrap(), 3);
        tx.commit().await.unwrap();
        let left: Vec<i64> = house.all(&policy).await.iter().map(|found| found.id).collect();
        assert_eq!(left, &ids[3..], "the newest that is over, and what waits");
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_target_ends_with_it_and_everything_with_the_policy() {
    on_both_engines(async || {
        let house = House::new().await;
        let policy = house.policy("p", EventType::RAISED, 1).await;
        let target = house.target_of(&policy).await;
        house.raise(EventType::PushArtifact).await;
        let mut tx = house.db.begin().await.unwrap();
        webhook_target::remove(&mut tx, target, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let left = house.all(&policy).await;
        assert_eq!((left[0].status.as_str(), left[0].next_at), ("Stopped", None));
        assert!(left[0].log.contains("removed"));
        let mut tx = house.db.begin().await.unwrap();
        let again = webhook_policy::insert(&mut tx, &policy).await.unwrap_err();
        assert!(matches!(again, Error::Conflict), "{again}");
        drop(tx);
        let mut tx = house.db.begin().await.unwrap();
        assert!(webhook_policy::remove(&mut tx, house.project, policy.id, NOW).await.unwrap());
        assert!(!webhook_policy::remove(&mut tx, house.project, policy.id, NOW).await.unwrap());
        tx.commit().await.unwrap();
        assert!(house.all(&policy).await.is_empty());
        // And with the project.
        house.policy("q", EventType::RAISED, 2).await;
        house.raise(EventType::PushArtifact).await;
        let mut tx = house.db.begin().await.unwrap();
        tx.query("DELETE FROM role_binding").execute().await.unwrap();
        assert!(project::remove(&mut tx, house.project, Timestamp(9)).await.unwrap());
        tx.commit().await.unwrap();
    })
    .await;
}
