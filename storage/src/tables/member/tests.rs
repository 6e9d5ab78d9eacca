use super::*;
use crate::Error;
use crate::tables::binding::{self, Scope};
use crate::tables::group;
use crate::tables::stage::{NOW, Stage, at, person, project};

const DEVELOPER: RoleId = RoleId(2);

#[tokio::test]
async fn members_are_people_and_groups_of_one_project_by_name() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let team = Scope::Project(stage.project);
        let anna = person(&mut tx, "Anna").await;
        let people = group::insert(&mut tx, "people", group::OIDC, "", NOW).await.unwrap();
        let id = binding::insert(&mut tx, anna, DEVELOPER, team, "web", NOW).await.unwrap();
        binding::insert(&mut tx, people, DEVELOPER, team, "", NOW).await.unwrap();
        let other = project(&mut tx, "other", anna, false).await;
        let all = list(&mut tx, stage.project, "", 10, 0).await.unwrap();
        let shown: Vec<_> = all.iter().map(|m| (m.entity_name.as_str(), m.is_group)).collect();
        assert_eq!(shown, [("Anna", false), ("owner", false), ("people", true)]);
        assert_eq!((all[0].id, all[0].entity, all[0].role), (id, anna, DEVELOPER));
        assert_eq!((all[0].role_name.as_str(), all[0].pattern.as_str()), ("developer", "web"));
        assert_eq!(list(&mut tx, stage.project, "", 1, 1).await.unwrap()[0].entity, stage.owner);
        assert_eq!(list(&mut tx, stage.project, "ANN", 9, 0).await.unwrap().len(), 1);
        assert_eq!(count(&mut tx, stage.project, "eo").await.unwrap(), 1);
        assert_eq!(count(&mut tx, other, "").await.unwrap(), 1);
        let mut by_role = count_by_role(&mut tx, stage.project).await.unwrap();
        by_role.sort_unstable_by_key(|(role, _)| role.0);
        assert_eq!(by_role, [(RoleId::PROJECT_ADMIN, 1), (DEVELOPER, 2)]);
        assert!(find(&mut tx, other, id).await.unwrap().is_none(), "of another project");
        assert_eq!(find(&mut tx, stage.project, id).await.unwrap().unwrap().entity, anna);
    })
    .await;
}

#[tokio::test]
async fn the_last_administrator_of_a_whole_project_is_known() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (project, team) = (stage.project, Scope::Project(stage.project));
        let admin = RoleId::PROJECT_ADMIN;
        let first = list(&mut tx, project, "", 1, 0).await.unwrap()[0].id;
        let other = person(&mut tx, "other").await;
        let part = binding::insert(&mut tx, other, admin, team, "web", NOW).await.unwrap();
        assert!(is_last_admin(&mut tx, project, first).await.unwrap());
        assert!(!is_last_admin(&mut tx, project, part).await.unwrap());
        let second = binding::insert(&mut tx, other, DEVELOPER, team, "", NOW).await.unwrap();
        assert!(set_role(&mut tx, project, second, admin, at(5)).await.unwrap());
        assert!(!is_last_admin(&mut tx, project, first).await.unwrap());
        assert!(remove(&mut tx, project, first).await.unwrap());
        assert!(!remove(&mut tx, project, first).await.unwrap());
        assert!(is_last_admin(&mut tx, project, second).await.unwrap());
        assert!(!set_role(&mut tx, project, first, admin, at(5)).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let unknown = set_role(&mut tx, project, second, RoleId(999), at(6)).await;
        assert!(matches!(unknown, Err(Error::Reference)), "{unknown:?}");
    })
    .await;
}
