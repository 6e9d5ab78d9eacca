use super::*;
use crate::tables::held;
use crate::tables::stage::{NOW, project};
use crate::tables::stage::{Stage, blob, index, linked, manifest, repository, sha256, tag};

#[tokio::test]
async fn whoever_needs_a_blob_is_named_by_tag_by_digest_or_by_repository_in_one_order() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (team, app) = (stage.project, stage.repository);
        let layer = linked(&mut tx, team, app, "layer", NOW).await;
        let unused = blob(&mut tx, "unused").await;
        let image = manifest(&mut tx, app, "image").await;
        held::hold_blobs(&mut tx, app, image, [layer]).await.unwrap();
        tag(&mut tx, app, "v2", image).await;
        tag(&mut tx, app, "V1", image).await;
        let bare = manifest(&mut tx, app, "bare").await;
        held::hold_blobs(&mut tx, app, bare, [layer]).await.unwrap();
        let list = index(&mut tx, app, "list").await;
        held::hold_children(&mut tx, list, [bare]).await.unwrap();
        tag(&mut tx, app, "all", list).await;
        let other = project(&mut tx, "other", stage.owner, true).await;
        let copy = repository(&mut tx, other, "other/copy").await;
        crate::tables::link::put(&mut tx, other, copy, layer, NOW).await.unwrap();
        let found = by_blob(&mut tx, layer, 10).await.unwrap();
        let bare = format!("team/app@{}", sha256("bare"));
        let expected = ["other/copy", "team/app:V1", "team/app:all", "team/app:v2", bare.as_str()];
        assert_eq!(found, expected);
        // Tags come first, so that they are what a short list shows.
        assert_eq!(by_blob(&mut tx, layer, 4).await.unwrap(), expected[..4]);
        assert!(by_blob(&mut tx, unused, 10).await.unwrap().is_empty());
    })
    .await;
}
