use super::*;

#[tokio::test]
async fn a_blob_goes_step_by_step_and_its_bytes_after_their_grace() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        house.blob(app, "a layer").await;
        house.clock.advance(LEASE.checked_sub(Duration::from_secs(1)).unwrap());
        house.round().await;
        assert_eq!(house.blob_rows().await, 1, "the lease holds");
        house.clock.advance(Duration::from_secs(1));
        house.round().await;
        assert_eq!(house.blob_rows().await, 0);
        assert_eq!(house.count("SELECT COUNT(*) FROM project_blob").await, 0);
        assert_eq!(house.objects().await, 1, "somebody may be reading");
        house.clock.advance(HOUR);
        house.round().await;
        assert_eq!(house.objects().await, 0);
        assert_eq!(house.queued().await, 0);
        assert_eq!(house.count("SELECT COUNT(*) FROM tombstone").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_renewed_lease_and_a_manifest_keep_a_link_and_leave_the_queue_short() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        let (renewed, held) = (house.blob(app, "renewed").await, house.blob(app, "held").await);
        let image = house.manifest(app, "image", &[held], &[], None).await;
        house.tag(app, "v1", image).await;
        assert_eq!(house.queued().await, 1, "what is held does not wait");
        house.clock.advance(LEASE);
        let until = house.clock.now().after(LEASE);
        let mut tx = house.tx().await;
        assert!(link::renew(&mut tx, app, renewed, until).await.unwrap());
        tx.commit().await.unwrap();
        house.round().await;
        assert_eq!(house.blob_rows().await, 2);
        house.clock.advance(LEASE);
        house.round().await;
        assert_eq!((house.blob_rows().await, house.queued().await), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_blob_of_two_repositories_goes_with_the_second_link_and_is_counted_until_then() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let (one, other) = (house.repository("one").await, house.repository("other").await);
        let blob = house.blob(one, "shared").await;
        house.blob(other, "shared").await;
        let image = house.manifest(other, "image", &[blob], &[], None).await;
        house.tag(other, "v1", image).await;
        house.clock.advance(LEASE);
        house.round().await;
        assert_eq!(house.count("SELECT COUNT(*) FROM repo_blob").await, 1);
        assert_eq!(house.blob_rows().await, 1);
        house.untag(other, "v1").await;
        let done = house.ask(r#"{"delete_untagged":true}"#).await;
        assert!(
            done.parameters.contains(r#""freed_space":11,"purged_blobs":1,"purged_manifests":1"#)
        );
        assert_eq!(house.blob_rows().await, 0);
    })
    .await;
}

#[tokio::test]
async fn objects_of_another_epoch_rest_and_one_that_fails_is_tried_less_and_less_often() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let mut tx = house.tx().await;
        let now = house.clock.now();
        let (ours, theirs) = (ObjectKey::fresh(), ObjectKey::fresh());
        tombstone::insert(&mut tx, &ours, now, "epoch").await.unwrap();
        tombstone::insert(&mut tx, &theirs, now, "a restored database").await.unwrap();
        tx.commit().await.unwrap();
        let mut claimed = Vec::new();
        for second in 0..200 {
            let mut tx = house.tx().await;
            let keys = tombstone::claim(&mut tx, house.clock.now(), "epoch", 9).await.unwrap();
            tx.commit().await.unwrap();
            claimed.extend(keys.into_iter().map(|grave| (second, grave.key == ours)));
            house.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(claimed, [(0, true), (10, true), (30, true), (70, true), (150, true)]);
        house.clock.advance(HOUR);
        house.round().await;
        assert_eq!(house.count("SELECT COUNT(*) FROM tombstone").await, 1);
    })
    .await;
}
