use super::*;
use crate::Error;
use crate::tables::secret;
use crate::tables::stage::{Stage, at, person};

#[tokio::test]
async fn tokens_are_their_owners_and_told_by_name_in_byte_order() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let owner = stage.owner;
        let mut tx = stage.begin().await;
        let other = person(&mut tx, "other").await;
        let b = insert(&mut tx, owner, "b", "for tests", Some(at(50)), at(1)).await.unwrap();
        insert(&mut tx, owner, "C", "", None, at(1)).await.unwrap();
        insert(&mut tx, owner, "a", "", None, at(1)).await.unwrap();
        insert(&mut tx, other, "b", "", None, at(1)).await.unwrap();
        let names = async |tx: &mut Tx, limit, offset| {
            let found = list(tx, owner, limit, offset).await.unwrap();
            found.into_iter().map(|token| token.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut tx, 9, 0).await, ["C", "a", "b"]);
        assert_eq!(names(&mut tx, 1, 1).await, ["a"]);
        assert_eq!(count(&mut tx, owner).await.unwrap(), 3);
        let id = secret::insert(&mut tx, b, "sha256:x", None, at(2)).await.unwrap();
        assert_eq!(with_verifier(&mut tx, owner, "sha256:x").await.unwrap(), Some((b, id)));
        assert_eq!(with_verifier(&mut tx, other, "sha256:x").await.unwrap(), None);
        assert!(find(&mut tx, other, b).await.unwrap().is_none());
        assert_eq!(find(&mut tx, owner, b).await.unwrap().unwrap().last_used_at, None);
        secret::note_use(&mut tx, id, at(9)).await.unwrap();
        let found = find(&mut tx, owner, b).await.unwrap().unwrap();
        assert_eq!((found.last_used_at, found.expires_at), (Some(at(9)), Some(at(50))));
        assert_eq!((found.description.as_str(), found.created_at), ("for tests", at(1)));
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, owner, "b", "", None, at(3)).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}
