use super::*;
use crate::tables::stage::{Stage, manifest, referrer, sha256};

#[tokio::test]
async fn what_refers_to_a_digest_comes_in_pages_in_the_order_of_the_pushes() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for text in ["z", "a", "m"] {
            ids.push(referrer(&mut tx, app, text, "image").await);
        }
        manifest(&mut tx, app, "image").await;
        tx.query("UPDATE manifest SET artifact_type = 'x/sbom', annotations = $1 WHERE id = $2")
            .bind(r#"{"k":"Grüße"}"#)
            .bind(ids[1].0)
            .execute()
            .await
            .unwrap();
        let image = sha256("image");
        let page = async |tx: &mut crate::Tx, kind, after, limit| {
            let rows = weights(tx, app, &image, kind, ManifestId(after), limit).await.unwrap();
            rows.into_iter().map(|row| (row.id, row.characters)).collect::<Vec<_>>()
        };
        let weight = r#"{"k":"Grüße"}"#.chars().count() + "x/sbom".len();
        assert_eq!(page(&mut tx, None, 0, 2).await, [(ids[0], 0), (ids[1], weight)]);
        assert_eq!(page(&mut tx, None, ids[1].0, 2).await, [(ids[2], 0)]);
        assert_eq!(page(&mut tx, Some("x/sbom"), 0, 9).await, [(ids[1], weight)]);
        assert!(page(&mut tx, Some("X/SBOM"), 0, 9).await.is_empty());
        let found = list(&mut tx, &[ids[2], ids[1]]).await.unwrap();
        assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), ids[1..]);
        assert_eq!(found[0].annotations.as_deref(), Some(r#"{"k":"Grüße"}"#));
        assert_eq!((found[1].artifact_type.as_deref(), found[1].size), (None, 1));
        assert!(list(&mut tx, &[]).await.unwrap().is_empty());
    })
    .await;
}
