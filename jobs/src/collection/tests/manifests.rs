use super::*;

const DAY: Duration = LEASE;

fn after(days: u32, keep: i64) -> Untagged {
    Untagged { after: Some(DAY * days), keep }
}

#[tokio::test]
async fn untagged_manifests_stay_unless_the_policy_says_otherwise() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        house.manifest(app, "image", &[], &[], None).await;
        house.clock.advance(DAY * 1000);
        house.round().await;
        assert_eq!(house.manifests().await, 1);
        let parked = house.count("SELECT COUNT(*) FROM gc_queue WHERE attempts = 1").await;
        house.clock.advance(DAY * 1000);
        house.round().await;
        assert_eq!(parked, 1);
        let again = house.count("SELECT COUNT(*) FROM gc_queue WHERE attempts = 1").await;
        assert_eq!(again, 1, "it is not looked at again and again");
        let (db, blobs, clock) = (house.db.clone(), house.blobs.clone(), house.clock.clone());
        let strict = Worker::new(db, blobs, clock, policy(after(30, 0))).await.unwrap();
        Arc::new(strict).round(true, &house.stop).await.unwrap();
        assert_eq!(house.manifests().await, 0, "a new policy looks at what the old one kept");
    })
    .await;
}

#[tokio::test]
async fn age_counts_from_the_last_tag_and_from_the_push() {
    testing::on_both_engines(async || {
        let house = House::new(after(7, 0)).await;
        let app = house.repository("app").await;
        let tagged = house.manifest(app, "tagged", &[], &[], None).await;
        house.tag(app, "v1", tagged).await;
        house.clock.advance(DAY * 100);
        house.untag(app, "v1").await;
        house.manifest(app, "by digest", &[], &[], None).await;
        for _ in 0..6 {
            house.clock.advance(DAY);
            house.round().await;
            assert_eq!(house.manifests().await, 2);
        }
        house.tag(app, "v1", tagged).await;
        house.clock.advance(DAY);
        house.round().await;
        assert_eq!(house.manifests().await, 1, "the one that was tagged again stays");
        house.untag(app, "v1").await;
        house.clock.advance(DAY * 6);
        house.round().await;
        assert_eq!(house.manifests().await, 1, "its time begins anew");
        house.clock.advance(DAY);
        house.round().await;
        assert_eq!((house.manifests().await, house.queued().await), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn the_newest_of_each_repository_stay() {
    testing::on_both_engines(async || {
        let house = House::new(after(7, 2)).await;
        let (one, other) = (house.repository("one").await, house.repository("other").await);
        house.manifest(other, "alone", &[], &[], None).await;
        for n in 0..4 {
            house.manifest(one, &format!("image {n}"), &[], &[], None).await;
        }
        house.clock.advance(DAY * 8);
        house.round().await;
        assert_eq!(house.manifests().await, 3);
        house.manifest(one, "image 4", &[], &[], None).await;
        house.round().await;
        assert_eq!(house.manifests().await, 4, "what is pushed just now pushes nothing out");
        house.clock.advance(DAY);
        house.round().await;
        assert_eq!(house.manifests().await, 3, "the oldest of three had to go");
        let left = house.count("SELECT MIN(id) FROM manifest WHERE repo_id = 1").await;
        assert_eq!(left, 5, "the newest two are there");
        house.clock.advance(DAY * 100);
        house.round().await;
        assert_eq!(house.manifests().await, 3);
    })
    .await;
}

#[tokio::test]
async fn children_of_indexes_and_referrers_of_subjects_stay_as_long_as_those() {
    testing::on_both_engines(async || {
        let house = House::new(after(1, 0)).await;
        let app = house.repository("app").await;
        let layer = house.blob(app, "layer").await;
        let child = house.manifest(app, "child", &[layer], &[], None).await;
        let index = house.manifest(app, "index", &[], &[child], None).await;
        house.tag(app, "v1", index).await;
        let signature = house.manifest(app, "signature", &[], &[], Some("index")).await;
        house.manifest(app, "of the signature", &[], &[], Some("signature")).await;
        assert!(signature > index);
        house.clock.advance(DAY * 10);
        house.round().await;
        assert_eq!((house.manifests().await, house.queued().await), (4, 0));
        house.untag(app, "v1").await;
        house.clock.advance(DAY);
        house.round().await;
        assert_eq!(house.manifests().await, 3, "the index is gone, the others had no time yet");
        house.clock.advance(DAY);
        house.round().await;
        house.clock.advance(DAY);
        house.round().await;
        assert_eq!((house.manifests().await, house.blob_rows().await), (0, 0));
        assert_eq!(house.queued().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_referrer_goes_with_its_subject_whatever_the_policy_and_stays_if_that_comes_back() {
    testing::on_both_engines(async || {
        let house = House::new(Untagged::default()).await;
        let app = house.repository("app").await;
        for name in ["one", "two"] {
            let image = house.manifest(app, name, &[], &[], None).await;
            house.manifest(app, &format!("of {name}"), &[], &[], Some(name)).await;
            house.tag(app, name, image).await;
        }
        let early = house.manifest(app, "early", &[], &[], Some("nothing yet")).await;
        assert!(early.0 > 0);
        house.clock.advance(DAY);
        house.round().await;
        house.untag(app, "one").await;
        house.untag(app, "two").await;
        let done = house.ask(r#"{"delete_untagged":true}"#).await;
        assert!(done.parameters.contains(r#""purged_manifests":5"#), "{}", done.parameters);

        let image = house.manifest(app, "three", &[], &[], None).await;
        house.manifest(app, "of three", &[], &[], Some("three")).await;
        let mut tx = house.tx().await;
        let now = house.clock.now();
        gc_queue::references_of(&mut tx, app, &[image], now, now.after(LEASE)).await.unwrap();
        manifest::remove(&mut tx, image).await.unwrap();
        usage::add(&mut tx, house.project, -5).await.unwrap();
        tx.commit().await.unwrap();
        house.clock.advance(HOUR);
        house.round().await;
        assert_eq!(house.manifests().await, 1, "there is time to push the subject again");
        let again = house.manifest(app, "three", &[], &[], None).await;
        house.tag(app, "three", again).await;
        house.clock.advance(DAY);
        house.round().await;
        assert_eq!(house.manifests().await, 2);
    })
    .await;
}
