use super::*;
use crate::filter::{Operand, Test};
use crate::tables::stage::{Stage, at};

const GC: &str = "GARBAGE_COLLECTION";
const PURGE: &str = "PURGE_AUDIT_LOG";

async fn found(tx: &mut Tx, id: i64) -> Execution {
    find(tx, GC, id).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_execution_goes_from_pending_to_its_end_once() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        assert!(!is_active(&mut tx, GC).await.unwrap());
        let id = insert(&mut tx, GC, "MANUAL", "{}", at(1)).await.unwrap();
        let next = insert(&mut tx, GC, "MANUAL", "{}", at(1)).await.unwrap();
        assert!(is_active(&mut tx, GC).await.unwrap() && !is_active(&mut tx, PURGE).await.unwrap());
        assert!(find(&mut tx, PURGE, id).await.unwrap().is_none(), "another kind of work");
        assert_eq!(first_pending(&mut tx, GC).await.unwrap().unwrap().id, id);
        assert!(!progress(&mut tx, id, "early", at(1)).await.unwrap());
        assert!(queues::begin(&mut tx, id, "pool", at(2)).await.unwrap());
        assert!(!queues::begin(&mut tx, id, "pool", at(2)).await.unwrap());
        assert_eq!(first_pending(&mut tx, GC).await.unwrap().unwrap().id, next);
        assert!(progress(&mut tx, id, "one", at(3)).await.unwrap());
        assert!(progress(&mut tx, id, "", at(4)).await.unwrap());
        let (status, done) = (Status::Success, r#"{"freed": 1}"#);
        assert!(finish(&mut tx, id, status, done, "two", at(5)).await.unwrap());
        assert!(!finish(&mut tx, id, Status::Error, "{}", "three", at(6)).await.unwrap());
        assert!(!stop(&mut tx, id, "late", at(7)).await.unwrap());
        let end = found(&mut tx, id).await;
        assert_eq!((end.status.as_str(), end.parameters.as_str()), ("Success", done));
        assert_eq!((end.created_at, end.updated_at), (at(1), at(5)));
        let expected = format!("{} one\n{} two\n", at(3).rfc3339(), at(5).rfc3339());
        assert_eq!(end.log, expected);
        note(&mut tx, id, "noted").await.unwrap();
        assert_eq!(found(&mut tx, id).await.parameters, "noted");
        assert!(stop(&mut tx, next, "stopped", at(8)).await.unwrap());
        assert_eq!(found(&mut tx, next).await.status, "Stopped");
        assert!(!queues::begin(&mut tx, next, "pool", at(9)).await.unwrap());
        assert!(first_pending(&mut tx, GC).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_is_silent_is_given_up_and_a_lively_one_is_not() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for second in [10, 20] {
            let id = insert(&mut tx, GC, "SCHEDULE", "{}", at(second)).await.unwrap();
            queues::begin(&mut tx, id, "pool", at(second)).await.unwrap();
            ids.push(id);
        }
        insert(&mut tx, GC, "SCHEDULE", "{}", at(1)).await.unwrap();
        assert!(!has_silent(&mut tx, GC, at(10)).await.unwrap());
        assert!(has_silent(&mut tx, GC, at(11)).await.unwrap());
        assert!(!has_silent(&mut tx, PURGE, at(11)).await.unwrap());
        assert_eq!(give_up(&mut tx, GC, at(20), at(30)).await.unwrap(), 1);
        assert_eq!(give_up(&mut tx, GC, at(20), at(30)).await.unwrap(), 0);
        assert_eq!(found(&mut tx, ids[0]).await.status, "Error");
        assert!(found(&mut tx, ids[0]).await.log.contains("went away"));
        assert!(!progress(&mut tx, ids[0], "back again", at(31)).await.unwrap());
        assert!(progress(&mut tx, ids[1], "still here", at(31)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn lists_are_paged_and_trimming_keeps_the_newest_and_what_has_not_ended() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let waits = insert(&mut tx, GC, "MANUAL", "{}", at(0)).await.unwrap();
        let mut ended = Vec::new();
        for second in 1..5 {
            let id = insert(&mut tx, GC, "SCHEDULE", "{}", at(second)).await.unwrap();
            stop(&mut tx, id, "", at(second)).await.unwrap();
            ended.push(id);
        }
        let order = [("e.id", true)];
        let page = list(&mut tx, GC, &[], &order, 2, 1).await.unwrap();
        assert_eq!(page.iter().map(|e| e.id).collect::<Vec<_>>(), [ended[2], ended[1]]);
        let test = Test::Equals(Operand::Text("Pending".to_owned()));
        let pending = [Condition { column: "e.status", test }];
        assert_eq!(list(&mut tx, GC, &pending, &order, 9, 0).await.unwrap()[0].id, waits);
        assert_eq!(count(&mut tx, GC, &pending).await.unwrap(), 1);
        assert_eq!(trim(&mut tx, GC, 2).await.unwrap(), 2);
        assert_eq!(trim(&mut tx, GC, 2).await.unwrap(), 0);
        let left = list(&mut tx, GC, &[], &order, 9, 0).await.unwrap();
        let expected = [ended[3], ended[2], waits];
        assert_eq!(left.iter().map(|e| e.id).collect::<Vec<_>>(), expected);
        assert_eq!(count(&mut tx, GC, &[]).await.unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn work_that_goes_on_by_itself_is_added_to_one_telling_by_one_writer() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        insert_ongoing(&mut tx, GC, "1", "first", at(10)).await.unwrap();
        assert!(ongoing(&mut tx, GC, at(11)).await.unwrap().is_none());
        let before = ongoing(&mut tx, GC, at(10)).await.unwrap().unwrap();
        assert_eq!((before.status.as_str(), before.kind.as_str()), ("Success", "EVENT"));
        assert!(add_to_ongoing(&mut tx, &before, "2", "second", at(12)).await.unwrap());
        assert!(!add_to_ongoing(&mut tx, &before, "3", "lost", at(13)).await.unwrap());
        let after = ongoing(&mut tx, GC, at(10)).await.unwrap().unwrap();
        assert_eq!((after.parameters.as_str(), after.log.lines().count()), ("2", 2));
    })
    .await;
}
