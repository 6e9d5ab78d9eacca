use roadstead_model::Action;

use super::*;
use crate::tables::binding::{self, Scope};
use crate::tables::stage::{NOW, Stage, at, person};

#[tokio::test]
async fn custom_roles_are_changed_and_removed_and_no_others() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let builtin = count(&mut tx).await.unwrap();
        let (pull, push) =
            (Permission::repository(Action::Pull), Permission::repository(Action::Push));
        let id = insert(&mut tx, Kind::Custom, "own", "told", &[pull, push, pull], at(1)).await;
        let id = id.unwrap();
        let private = insert(&mut tx, Kind::Private, "p", "kept", &[], at(1)).await.unwrap();
        assert_eq!(permissions(&mut tx, id).await.unwrap(), [pull, push]);
        assert!(update(&mut tx, id, "mine", "", &[push], at(5)).await.unwrap());
        assert_eq!(permissions(&mut tx, id).await.unwrap(), [push]);
        let found = find(&mut tx, id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.kind), ("mine", Kind::Custom));
        assert_eq!((found.created_at, found.updated_at), (at(1), at(5)));
        assert!(find(&mut tx, private).await.unwrap().is_none());
        assert_eq!(description(&mut tx, private).await.unwrap(), "kept");
        let all = list(&mut tx, 100, 0).await.unwrap();
        assert_eq!(i64::try_from(all.len()).unwrap(), builtin + 1);
        assert!(all.is_sorted_by_key(|role| role.id.0));
        assert_eq!(list(&mut tx, 1, builtin).await.unwrap()[0].id, id);
        for other in [RoleId::PROJECT_ADMIN, private, RoleId(999)] {
            assert!(!update(&mut tx, other, "x", "", &[], at(6)).await.unwrap());
            assert!(!remove(&mut tx, other).await.unwrap());
        }
        let user = person(&mut tx, "user").await;
        let team = Scope::Project(stage.project);
        let held = insert(&mut tx, Kind::Custom, "held", "", &[pull], NOW).await.unwrap();
        binding::insert(&mut tx, user, held, team, "", NOW).await.unwrap();
        assert!(remove(&mut tx, id).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let refused = remove(&mut tx, held).await;
        assert!(matches!(refused, Err(Error::Reference)), "{refused:?}");
        drop(tx);
        let mut tx = stage.begin().await;
        let taken = insert(&mut tx, Kind::Custom, "held", "", &[], NOW).await;
        assert!(matches!(taken, Err(Error::Conflict)), "{taken:?}");
    })
    .await;
}
