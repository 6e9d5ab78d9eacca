use super::*;
use crate::tables::stage::{Stage, at, project};
use crate::tables::{group, personal_token, secret};

#[tokio::test]
async fn principals_are_told_apart_by_kind_and_name_and_their_epoch_only_grows() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = insert(&mut tx, Kind::User, "anna", at(1)).await.unwrap();
        let robot = insert(&mut tx, Kind::Robot, "anna", at(1)).await.unwrap();
        let found = find_named(&mut tx, Kind::User, "anna").await.unwrap().unwrap();
        assert_eq!((found.id, found.kind, found.sysadmin), (user, Kind::User, false));
        assert_eq!(find_named(&mut tx, Kind::Robot, "anna").await.unwrap().unwrap().id, robot);
        assert_eq!(find_named(&mut tx, Kind::User, "Anna").await.unwrap(), None);
        revoke(&mut tx, user, at(2)).await.unwrap();
        touch(&mut tx, user, at(3)).await.unwrap();
        share(&mut tx, user).await.unwrap();
        let after = find(&mut tx, user).await.unwrap().unwrap();
        assert_eq!(after.epoch, found.epoch + 1);
        assert!(after.works(at(4)));
        set_disabled(&mut tx, user, true, at(5)).await.unwrap();
        assert!(!find(&mut tx, user).await.unwrap().unwrap().works(at(6)));
        set_disabled(&mut tx, user, false, at(7)).await.unwrap();
        assert!(find(&mut tx, user).await.unwrap().unwrap().works(at(8)));
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, Kind::User, "anna", at(9)).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn who_is_deleted_leaves_the_name_to_others_and_loses_everything() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = insert(&mut tx, Kind::User, "anna", at(1)).await.unwrap();
        project(&mut tx, "hers", user, false).await;
        let people = group::insert(&mut tx, "people", group::OIDC, "", at(1)).await.unwrap();
        group::replace_memberships(&mut tx, user, group::OIDC, &[people]).await.unwrap();
        let token = personal_token::insert(&mut tx, user, "ci", "", None, at(1)).await.unwrap();
        secret::insert(&mut tx, token, "sha256:x", None, at(1)).await.unwrap();
        assert!(remove(&mut tx, user, at(2)).await.unwrap());
        assert!(!remove(&mut tx, user, at(2)).await.unwrap());
        for gone in [user, token] {
            assert_eq!(find(&mut tx, gone).await.unwrap(), None);
            assert!(secret::of_principal(&mut tx, gone).await.unwrap().is_empty());
        }
        assert!(group::memberships(&mut tx, user, group::OIDC).await.unwrap().is_empty());
        assert_eq!(personal_token::count(&mut tx, user).await.unwrap(), 0);
        let next = insert(&mut tx, Kind::User, "anna", at(3)).await.unwrap();
        assert_ne!(next, user, "ids are not given twice");
        assert!(remove(&mut tx, people, at(4)).await.unwrap());
        assert!(group::find(&mut tx, people).await.unwrap().is_none());
    })
    .await;
}
