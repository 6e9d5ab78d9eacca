use super::*;
use crate::tables::stage::{Stage, at, person};

#[tokio::test]
async fn secrets_are_their_principals_the_oldest_first() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (owner, other) = (stage.owner, person(&mut tx, "other").await);
        let one = insert(&mut tx, owner, "sha256:1", Some(at(50)), at(1)).await.unwrap();
        let two = insert(&mut tx, owner, "sha256:2", None, at(0)).await.unwrap();
        let third = insert(&mut tx, other, "sha256:3", None, at(0)).await.unwrap();
        let all = of_principal(&mut tx, owner).await.unwrap();
        assert_eq!(all.iter().map(|s| s.id).collect::<Vec<_>>(), [one, two]);
        assert!(all[0].works(at(49)) && !all[0].works(at(50)) && all[1].works(at(99)));
        assert!(all[0].use_is_worth_a_note(at(2)));
        note_use(&mut tx, one, at(10)).await.unwrap();
        let used = find(&mut tx, one).await.unwrap().unwrap();
        assert_eq!((used.last_used_at, used.verifier.as_str()), (Some(at(10)), "sha256:1"));
        assert!(!used.use_is_worth_a_note(at(69)) && used.use_is_worth_a_note(at(70)));
        assert!(!remove(&mut tx, other, one).await.unwrap());
        assert!(remove(&mut tx, owner, one).await.unwrap());
        assert!(find(&mut tx, one).await.unwrap().is_none());
        remove_all_of(&mut tx, owner).await.unwrap();
        assert!(of_principal(&mut tx, owner).await.unwrap().is_empty());
        assert_eq!(find(&mut tx, third).await.unwrap().unwrap().principal, other);
    })
    .await;
}
