use super::*;
use crate::tables::stage::{Stage, at, project};

#[tokio::test]
async fn a_list_is_replaced_as_a_whole_and_keeps_when_it_was_made() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (team, other) = (stage.project, project(&mut tx, "other", stage.owner, false).await);
        assert!(of(&mut tx, &[team, other]).await.unwrap().is_empty());
        assert!(of(&mut tx, &[]).await.unwrap().is_empty());
        let items = ["CVE-2".to_owned(), "CVE-1".to_owned()];
        put(&mut tx, team, Some(at(100)), &items, at(1)).await.unwrap();
        put(&mut tx, other, None, &[], at(2)).await.unwrap();
        let found = of(&mut tx, &[team]).await.unwrap();
        assert_eq!((found.len(), &found[&team].items[..]), (1, &items[..]));
        assert_eq!(found[&team].expires_at, Some(at(100)));
        put(&mut tx, team, None, &items[1..], at(3)).await.unwrap();
        let found = of(&mut tx, &[team, other]).await.unwrap();
        assert_eq!((found.len(), &found[&team].items[..]), (2, &items[1..]));
        assert_eq!((found[&team].created_at, found[&team].updated_at), (at(1), at(3)));
        assert_eq!((found[&team].expires_at, found[&other].items.len()), (None, 0));
    })
    .await;
}
