use roadstead_model::CollectionParameters;
use roadstead_storage::tables::paused_job;

use super::*;

fn results(execution: &Execution) -> (i64, i64, i64) {
    let found: CollectionParameters = serde_json::from_str(&execution.parameters).unwrap();
    (found.purged_manifests.unwrap(), found.purged_blobs.unwrap(), found.freed_space.unwrap())
}

/// Everything that can be garbage, and something that is not.
async fn fill(house: &House) {
    let (one, other) = (house.repository("one").await, house.repository("other").await);
    let shared = house.blob(one, "shared").await;
    house.blob(other, "shared").await;
    let own = house.blob(one, "of the child alone").await;
    let live = house.manifest(other, "live", &[shared], &[], None).await;
    house.tag(other, "v1", live).await;
    let child = house.manifest(one, "child", &[shared, own], &[], None).await;
    let second = house.manifest(one, "second child", &[own], &[], None).await;
    house.tag(one, "kept", second).await;
    let index = house.manifest(one, "index", &[], &[child, second], None).await;
    house.manifest(one, "another index", &[], &[child, index], None).await;
    house.manifest(one, "signature", &[], &[], Some("index")).await;
    house.blob(one, "never used").await;
    let config = house.blob(one, "of an image").await;
    house.manifest(one, "image", &[config], &[], None).await;
}

#[tokio::test]
async fn a_dry_run_says_what_the_real_run_then_does_and_changes_nothing() {
    testing::on_both_engines(async || {
        for parameters in [r#""delete_untagged":true"#, r#""delete_untagged":false"#] {
            let house = House::new(Untagged::default()).await;
            fill(&house).await;
            house.clock.advance(LEASE);
            let before = (house.manifests().await, house.blob_rows().await, house.queued().await);
            let dry = house.ask(&format!("{{{parameters},\"dry_run\":true}}")).await;
            let after = (house.manifests().await, house.blob_rows().await, house.queued().await);
            assert_eq!(before, after);
            assert!(dry.log.contains("would be collected (dry run)"), "{}", dry.log);
            let real = house.ask(&format!("{{{parameters},\"workers\":3}}")).await;
            assert_eq!(results(&real), results(&dry), "{parameters}");
            let all = parameters.contains("true");
            assert_eq!(results(&real).0, if all { 5 } else { 0 });
            assert_eq!(results(&real).1, if all { 2 } else { 1 });
            assert_eq!((real.status.as_str(), dry.status.as_str()), ("Success", "Success"));
            let wrong = link::miscounted(&mut house.db.read().await.unwrap()).await.unwrap();
            assert_eq!(wrong, []);
        }
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_all_that_is_untagged_does_not_get_what_was_pushed_just_now() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        house.manifest(app, "child of an index to come", &[], &[], None).await;
        let done = house.ask(r#"{"delete_untagged":true}"#).await;
        assert_eq!(results(&done), (0, 0, 0));
        house.clock.advance(LEASE);
        let done = house.ask(r#"{"delete_untagged":true}"#).await;
        assert_eq!(results(&done).0, 1);
        assert_eq!(house.queued().await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_goes_on_by_itself_is_one_execution_a_day_and_fifty_are_kept() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        for day in 0..60 {
            for hour in 0..3 {
                house.blob(app, &format!("blob {day} {hour}")).await;
                house.clock.advance(HOUR);
                house.round().await;
            }
            house.clock.advance(HOUR * 21);
        }
        let mut conn = house.db.read().await.unwrap();
        let order = [("e.id", true)];
        let job = GARBAGE_COLLECTION;
        let found = execution::list(&mut conn, job, &[], &order, 100, 0).await.unwrap();
        assert_eq!(found.len(), 50);
        assert!(found.iter().all(|e| e.kind == "EVENT" && e.status == "Success"));
        assert_eq!(results(&found[1]).1, 3, "{:?}", found[1]);
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_on_by_itself_while_collection_is_paused() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        house.blob(app, "a layer").await;
        house.clock.advance(LEASE);
        let mut tx = house.tx().await;
        paused_job::pause(&mut tx, GARBAGE_COLLECTION, house.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        house.round().await;
        assert_eq!(house.blob_rows().await, 1);
        assert_eq!(house.ask("{}").await.status, "Pending");
        let mut tx = house.tx().await;
        paused_job::resume(&mut tx, GARBAGE_COLLECTION).await.unwrap();
        tx.commit().await.unwrap();
        house.round().await;
        assert_eq!(house.blob_rows().await, 0);
    })
    .await;
}

#[tokio::test]
async fn one_that_is_stopped_ends_and_keeps_what_it_did() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        house.stop.cancel();
        let app = house.repository("app").await;
        house.blob(app, "a layer").await;
        house.clock.advance(LEASE);
        let waiting = house.ask("{}").await;
        assert_eq!(waiting.status, "Pending", "a server that stops begins nothing");
        let stop = CancellationToken::new();
        let mut tx = house.tx().await;
        let now = house.clock.now();
        execution::queues::begin(&mut tx, waiting.id, "", now).await.unwrap();
        execution::stop(&mut tx, waiting.id, "stopped by ann", now).await.unwrap();
        tx.commit().await.unwrap();
        let sweep = Sweep::new(&house.worker, (Mode::Policy, false), 1, Some(waiting.id), &stop);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        sweep.run().await.unwrap();
        assert!(sweep.ended());
        assert_eq!(house.blob_rows().await, 1);
    })
    .await;
}
