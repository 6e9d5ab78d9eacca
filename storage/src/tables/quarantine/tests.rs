use super::*;
use crate::tables::stage::{Stage, at, blob as new_blob, sha256};
use crate::tables::{blob, tombstone};

#[tokio::test]
async fn only_keys_that_no_row_knows_are_in_quarantine_since_they_were_seen_first() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        new_blob(&mut tx, "x").await;
        let of_blob = blob::find(&mut tx, &sha256("x")).await.unwrap().unwrap().key;
        let (buried, strange, other) = (ObjectKey::fresh(), ObjectKey::fresh(), ObjectKey::fresh());
        tombstone::insert(&mut tx, &buried, at(1), "epoch").await.unwrap();
        let all = [of_blob.clone(), buried.clone(), strange.clone(), other.clone()];
        let known = HashSet::from([of_blob.to_string(), buried.to_string()]);
        assert_eq!(owned(&mut tx, &all).await.unwrap(), known);
        assert!(owned(&mut tx, &[]).await.unwrap().is_empty());
        assert!(put(&mut tx, &strange, "unknown", at(5)).await.unwrap());
        assert!(!put(&mut tx, &strange, "unknown", at(6)).await.unwrap());
        assert!(!put(&mut tx, &of_blob, "unknown", at(6)).await.unwrap());
        assert!(!put(&mut tx, &buried, "unknown", at(6)).await.unwrap());
        let seen = first_seen(&mut tx, &all).await.unwrap();
        assert_eq!(seen, HashMap::from([(strange.to_string(), at(5))]));
        assert!(release(&mut tx, &strange).await.unwrap());
        assert!(!release(&mut tx, &strange).await.unwrap());
        for key in [&strange, &other] {
            put(&mut tx, key, "unknown", at(7)).await.unwrap();
        }
        assert_eq!(release_owned(&mut tx).await.unwrap(), 0);
        tombstone::insert(&mut tx, &other, at(1), "epoch").await.unwrap();
        assert_eq!(release_owned(&mut tx).await.unwrap(), 1);
        assert_eq!(first_seen(&mut tx, &all).await.unwrap().len(), 1);
    })
    .await;
}
