use super::*;
use crate::tables::link;
use crate::tables::stage::{NOW, Stage, blob, index, linked, manifest, repository, sha256};

#[tokio::test]
async fn a_manifest_holds_what_is_linked_beside_it_and_nothing_else() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let other = repository(&mut tx, team, "team/other").await;
        let here = linked(&mut tx, team, app, "here", NOW).await;
        let there = linked(&mut tx, team, other, "there", NOW).await;
        let image = manifest(&mut tx, app, "image").await;
        assert_eq!(hold_blobs(&mut tx, app, image, [here, there]).await.unwrap(), 1);
        assert_eq!(hold_blobs(&mut tx, app, image, []).await.unwrap(), 0);
        let digest = Some(sha256("image").to_string());
        assert_eq!(holder_of(&mut tx, app, here).await.unwrap(), digest);
        assert_eq!(holder_of(&mut tx, other, here).await.unwrap(), None);
        assert_eq!(holder_of(&mut tx, other, there).await.unwrap(), None);
        let list = index(&mut tx, app, "list").await;
        assert_eq!(hold_children(&mut tx, list, [image]).await.unwrap(), 1);
        assert_eq!(parent_of(&mut tx, image).await.unwrap(), Some(sha256("list").to_string()));
        assert_eq!(parent_of(&mut tx, list).await.unwrap(), None);
        assert_eq!(held_digests(&mut tx, list).await.unwrap(), [sha256("image").as_str()]);
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let refused = link::remove(&mut tx, team, app, here).await;
        assert!(matches!(refused, Err(crate::Error::Reference)), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn an_index_that_came_first_holds_its_manifests_when_they_follow() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let list = index(&mut tx, app, "list").await;
        let (one, two) = (sha256("one"), sha256("two"));
        for _ in 0..2 {
            note_missing(&mut tx, app, list, &one, 3).await.unwrap();
        }
        note_missing(&mut tx, app, list, &two, 3).await.unwrap();
        let child = manifest(&mut tx, app, "one").await;
        adopt(&mut tx, app, child, &one, 99).await.unwrap();
        assert_eq!(parent_of(&mut tx, child).await.unwrap(), None, "it has another size");
        adopt(&mut tx, app, child, &one, 3).await.unwrap();
        assert_eq!(parent_of(&mut tx, child).await.unwrap(), Some(sha256("list").to_string()));
        let mut digests = held_digests(&mut tx, list).await.unwrap();
        digests.sort_unstable();
        let mut expected = [one.to_string(), two.to_string()];
        expected.sort_unstable();
        assert_eq!(digests, expected);
        // A missing blob is held by whoever named it once it is linked.
        let bytes = blob(&mut tx, "two").await;
        link::put(&mut tx, team, app, bytes, NOW).await.unwrap();
        assert_eq!(holder_of(&mut tx, app, bytes).await.unwrap(), Some(sha256("list").to_string()));
        let later = manifest(&mut tx, app, "two").await;
        adopt(&mut tx, app, later, &two, 3).await.unwrap();
        assert_eq!(parent_of(&mut tx, later).await.unwrap(), Some(sha256("list").to_string()));
    })
    .await;
}
