use super::*;
use crate::tables::stage::{Stage, at};

#[tokio::test]
async fn keys_of_a_purpose_come_newest_first() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        for (purpose, id, second) in [("t", "b", 1), ("t", "c", 2), ("t", "B", 1), ("u", "d", 9)] {
            let id = id.to_owned();
            let key = SealedKey { id, sealed: vec![0, 255], created_at: at(second) };
            insert(&mut tx, purpose, &key).await.unwrap();
        }
        let found = list(&mut tx, "t").await.unwrap();
        let ids: Vec<_> = found.iter().map(|key| key.id.as_str()).collect();
        assert_eq!((ids, &found[0].sealed[..]), (vec!["c", "B", "b"], &[0, 255][..]));
        reseal(&mut tx, "c", b"new").await.unwrap();
        remove(&mut tx, "b").await.unwrap();
        let found = list(&mut tx, "t").await.unwrap();
        assert_eq!((found.len(), &found[0].sealed[..]), (2, &b"new"[..]));
        assert!(list(&mut tx, "x").await.unwrap().is_empty());
    })
    .await;
}
