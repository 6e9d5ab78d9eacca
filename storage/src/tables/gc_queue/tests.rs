use super::*;
use crate::tables::stage::{Stage, at, blob as new_blob, index, linked, manifest as new_manifest};
use crate::tables::stage::{project, referrer, repository as new_repository};
use crate::tables::{held, link as links, tombstone};

/// Everything of a kind that is queued, as (target, repository, when it is to be looked at).
async fn queued(tx: &mut Tx, kind: Kind) -> Vec<(i64, i64, Timestamp)> {
    let rows = walk(tx, kind, None, 100).await.unwrap();
    rows.into_iter().map(|row| (row.target, row.repository.0, row.not_before)).collect()
}

/// Queues three blobs, due at 10, 20 and 30.
async fn three(tx: &mut Tx) -> Vec<Entry> {
    for (text, second) in [("a", 20), ("b", 10), ("c", 30)] {
        let id = new_blob(tx, text).await;
        blob(tx, id, at(second)).await.unwrap();
    }
    walk(tx, Kind::Blob, None, 10).await.unwrap()
}

#[tokio::test]
async fn what_is_due_is_taken_in_the_order_of_its_time_and_may_be_put_back() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let all = three(&mut tx).await;
        let (a, b, c) = (all[0], all[1], all[2]);
        assert_eq!((a.since, a.lease_until, a.repository), (at(20), at(0), RepositoryId(0)));
        assert_eq!(due(&mut tx, Kind::Blob, at(20), 10).await.unwrap(), [b, a]);
        assert_eq!(due(&mut tx, Kind::Blob, at(99), 1).await.unwrap(), [b]);
        assert!(due(&mut tx, Kind::Link, at(99), 10).await.unwrap().is_empty());
        assert!(has_due(&mut tx, Kind::Blob, at(10)).await.unwrap());
        assert!(!has_due(&mut tx, Kind::Blob, at(9)).await.unwrap());
        assert_eq!(walk(&mut tx, Kind::Blob, Some(&a), 1).await.unwrap(), [b]);
        assert_eq!(take(&mut tx, Kind::Blob, &[c, b]).await.unwrap().len(), 2);
        defer(&mut tx, Kind::Blob, &b, at(50)).await.unwrap();
        remove_idle(&mut tx, Kind::Blob, &[a, b, c], at(30)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Blob).await, [(b.target, 0, at(50))]);
        wake(&mut tx, Kind::Blob, &[a, b], at(40)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Blob).await, [(b.target, 0, at(40))]);
        wake(&mut tx, Kind::Blob, &[b], at(45)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Blob).await, [(b.target, 0, at(40))], "never later");
        remove(&mut tx, Kind::Blob, &[]).await.unwrap();
        assert!(take(&mut tx, Kind::Blob, &[]).await.unwrap().is_empty());
        remove(&mut tx, Kind::Blob, &[b]).await.unwrap();
        assert!(take(&mut tx, Kind::Blob, &[a, b, c]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_backlog_counts_what_is_due_by_kind() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let empty = backlog(&mut tx, at(99)).await.unwrap();
        assert_eq!((empty.oldest, empty.due.values().sum::<i64>()), (None, 0));
        three(&mut tx).await;
        tombstone::insert(&mut tx, &roadstead_model::ObjectKey::fresh(), at(5), "e").await.unwrap();
        let found = backlog(&mut tx, at(20)).await.unwrap();
        assert_eq!((found.due["blob"], found.due["object"], found.due["link"]), (2, 1, 0));
        assert_eq!(found.oldest, Some(at(5)));
    })
    .await;
}

#[tokio::test]
async fn links_wait_for_their_lease_and_are_out_while_a_manifest_holds_them() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let layer = linked(&mut tx, team, app, "layer", at(10)).await;
        let other = linked(&mut tx, team, app, "other", at(10)).await;
        let rows = walk(&mut tx, Kind::Link, None, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.not_before).collect::<Vec<_>>(), [at(10); 2]);
        links::renew(&mut tx, app, other, at(70)).await.unwrap();
        defer_links(&mut tx, &rows, at(20)).await.unwrap();
        let expected = [(layer.0, app.0, at(10)), (other.0, app.0, at(70))];
        assert_eq!(queued(&mut tx, Kind::Link).await, expected);
        let image = new_manifest(&mut tx, app, "image").await;
        held::hold_blobs(&mut tx, app, image, [layer]).await.unwrap();
        links_held(&mut tx, app, [layer]).await.unwrap();
        link(&mut tx, app, layer, at(80)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Link).await, expected[1..], "a manifest holds it");
        references_of(&mut tx, app, &[image], at(30), at(60)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Link).await, [(layer.0, app.0, at(30)), expected[1]]);
    })
    .await;
}

#[tokio::test]
async fn what_a_manifest_leaves_behind_is_queued_in_its_place() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let child = new_manifest(&mut tx, app, "child").await;
        let list = index(&mut tx, app, "list").await;
        held::hold_children(&mut tx, list, [child]).await.unwrap();
        let signature = referrer(&mut tx, app, "signature", "list").await;
        manifest(&mut tx, app, list, at(5), Some(at(40))).await.unwrap();
        let row = walk(&mut tx, Kind::Manifest, None, 10).await.unwrap()[0];
        assert_eq!((row.not_before, row.since, row.lease_until), (at(40), at(5), at(40)));
        manifest(&mut tx, app, list, at(6), None).await.unwrap();
        let row = walk(&mut tx, Kind::Manifest, None, 10).await.unwrap()[0];
        assert_eq!((row.not_before, row.lease_until), (at(6), at(40)), "the lease stays");
        references_of(&mut tx, app, &[list], at(30), at(60)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Manifest).await, [(child.0, app.0, at(30))]);
        assert_eq!(queued(&mut tx, Kind::Referrer).await, [(signature.0, app.0, at(60))]);
        manifests_held(&mut tx, app, [child]).await.unwrap();
        assert!(queued(&mut tx, Kind::Manifest).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_blobs_of_a_repository_that_goes_take_the_place_of_its_rows() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let layer = linked(&mut tx, team, app, "layer", at(10)).await;
        let image = new_manifest(&mut tx, app, "image").await;
        manifest(&mut tx, app, image, at(5), None).await.unwrap();
        let other = project(&mut tx, "other", stage.owner, false).await;
        let stays = new_repository(&mut tx, other, "other/stays").await;
        let kept = linked(&mut tx, other, stays, "kept", at(10)).await;
        repository(&mut tx, app, at(50)).await.unwrap();
        assert_eq!(queued(&mut tx, Kind::Blob).await, [(layer.0, 0, at(50))]);
        assert!(queued(&mut tx, Kind::Manifest).await.is_empty());
        assert_eq!(queued(&mut tx, Kind::Link).await, [(kept.0, stays.0, at(10))]);
    })
    .await;
}

#[tokio::test]
async fn manifests_that_were_kept_as_the_newest_wake_when_newer_ones_stand_before_them() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for text in ["one", "two", "three"] {
            let id = new_manifest(&mut tx, app, text).await;
            manifest(&mut tx, app, id, at(5), None).await.unwrap();
            ids.push(id);
        }
        for row in walk(&mut tx, Kind::Manifest, None, 10).await.unwrap() {
            defer(&mut tx, Kind::Manifest, &row, PARKED).await.unwrap();
        }
        wake_beyond(&mut tx, app, 3, at(9)).await.unwrap();
        assert!(!has_due(&mut tx, Kind::Manifest, at(9)).await.unwrap());
        wake_beyond(&mut tx, app, 2, at(9)).await.unwrap();
        let woken = due(&mut tx, Kind::Manifest, at(9), 10).await.unwrap();
        assert_eq!(woken.iter().map(|row| row.target).collect::<Vec<_>>(), [ids[0].0]);
        assert_eq!(newer(&mut tx, app, ids[0], at(9), 10).await.unwrap(), 2);
        assert_eq!(newer(&mut tx, app, ids[0], at(9), 1).await.unwrap(), 1);
        assert_eq!(newer(&mut tx, app, ids[2], at(9), 10).await.unwrap(), 0);
    })
    .await;
}
