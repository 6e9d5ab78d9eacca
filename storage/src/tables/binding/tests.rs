use super::*;
use crate::Error;
use crate::tables::stage::{NOW, Stage, person, project, repository};
use crate::tables::{group, role};

const DEVELOPER: RoleId = RoleId(2);
const GUEST: RoleId = RoleId(3);

/// A group with one person in it.
async fn group_of(tx: &mut Tx, user: PrincipalId) -> PrincipalId {
    let people = group::insert(tx, "people", group::OIDC, "", NOW).await.unwrap();
    group::replace_memberships(tx, user, group::OIDC, &[people]).await.unwrap();
    people
}

#[tokio::test]
async fn bindings_are_read_as_they_were_made_and_one_pattern_binds_once() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let team = Scope::Project(stage.project);
        let made = [
            (DEVELOPER, team, "app/**"),
            (GUEST, team, ""),
            (DEVELOPER, Scope::AllProjects, "*"),
            (DEVELOPER, Scope::System, ""),
        ];
        for (role, scope, pattern) in made {
            insert(&mut tx, user, role, scope, pattern, NOW).await.unwrap();
        }
        let found = of_principal(&mut tx, user).await.unwrap();
        let found: Vec<_> = found.iter().map(|b| (b.role, b.scope, b.pattern.as_str())).collect();
        assert_eq!(found, made);
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, user, GUEST, team, "app/**", NOW).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
        drop(tx);
        let mut tx = stage.begin().await;
        let unknown = insert(&mut tx, user, RoleId(999), team, "x", NOW).await;
        // SQLite looks at references when the transaction ends, if it is told to.
        assert!(matches!(unknown, Err(Error::Reference)), "{unknown:?}");
    })
    .await;
}

#[tokio::test]
async fn a_person_may_do_what_they_or_their_groups_are_bound_to_there_and_nowhere_else() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let people = group_of(&mut tx, user).await;
        let other = project(&mut tx, "other", stage.owner, false).await;
        insert(&mut tx, people, GUEST, Scope::Project(stage.project), "", NOW).await.unwrap();
        insert(&mut tx, user, DEVELOPER, Scope::Project(stage.project), "app", NOW).await.unwrap();
        let of = async |tx: &mut Tx, project| {
            let mut found = actions(tx, user, project, Resource::Repository).await.unwrap();
            found.sort_by_key(|(action, pattern)| (action.name(), pattern.clone()));
            found
        };
        let found = of(&mut tx, Some(stage.project)).await;
        assert!(found.contains(&(Action::Pull, String::new())));
        assert!(found.contains(&(Action::Push, "app".to_owned())));
        assert!(!found.contains(&(Action::Push, String::new())));
        assert!(of(&mut tx, Some(other)).await.is_empty());
        assert!(of(&mut tx, None).await.is_empty());
        assert!(reaches(&mut tx, user, stage.project).await.unwrap());
        assert!(!reaches(&mut tx, user, other).await.unwrap());
        insert(&mut tx, people, GUEST, Scope::AllProjects, "", NOW).await.unwrap();
        assert!(reaches(&mut tx, user, other).await.unwrap());
        assert!(of(&mut tx, Some(other)).await.contains(&(Action::Pull, String::new())));
        assert!(of(&mut tx, None).await.is_empty(), "what holds in projects is not the system's");
    })
    .await;
}

#[tokio::test]
async fn roles_are_told_by_project_each_once_and_without_private_ones() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let people = group_of(&mut tx, user).await;
        let team = Scope::Project(stage.project);
        let kind = role::Kind::Private;
        let private = role::insert(&mut tx, kind, "private", "", &[], NOW).await.unwrap();
        insert(&mut tx, user, private, team, "x", NOW).await.unwrap();
        insert(&mut tx, user, GUEST, team, "", NOW).await.unwrap();
        insert(&mut tx, people, GUEST, team, "", NOW).await.unwrap();
        insert(&mut tx, people, DEVELOPER, team, "y", NOW).await.unwrap();
        assert_eq!(roles_in(&mut tx, stage.project, user).await.unwrap(), [DEVELOPER, GUEST]);
        let by_project = roles_by_project(&mut tx, user).await.unwrap();
        assert_eq!(by_project, HashMap::from([(stage.project, vec![DEVELOPER, GUEST])]));
        assert!(roles_in(&mut tx, ProjectId(0), user).await.unwrap().is_empty());
        let allowed = public_actions(&mut tx, Resource::Repository).await.unwrap();
        assert!(allowed.contains(&Action::Pull) && !allowed.contains(&Action::Push));
    })
    .await;
}

#[tokio::test]
async fn taking_roles_away_removes_private_ones_that_nobody_else_has() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (one, two) = (person(&mut tx, "one").await, person(&mut tx, "two").await);
        let pull = [roadstead_model::Permission::repository(Action::Pull)];
        let kind = role::Kind::Private;
        let own = role::insert(&mut tx, kind, "own", "told", &pull, NOW).await.unwrap();
        let shared = role::insert(&mut tx, kind, "shared", "told", &pull, NOW).await.unwrap();
        let team = Scope::Project(stage.project);
        insert(&mut tx, one, own, team, "", NOW).await.unwrap();
        insert(&mut tx, one, shared, team, "app", NOW).await.unwrap();
        insert(&mut tx, two, shared, team, "", NOW).await.unwrap();
        remove_all_of(&mut tx, one).await.unwrap();
        assert!(of_principal(&mut tx, one).await.unwrap().is_empty());
        assert_eq!(role::description(&mut tx, own).await.unwrap(), "");
        assert_eq!(role::description(&mut tx, shared).await.unwrap(), "told");
        remove_all_in(&mut tx, stage.project).await.unwrap();
        assert_eq!(role::description(&mut tx, shared).await.unwrap(), "");
        assert!(of_principal(&mut tx, stage.owner).await.unwrap().is_empty());
        assert!(role::find(&mut tx, RoleId::PROJECT_ADMIN).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn patterns_are_about_the_name_below_the_project() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let team = Scope::Project(stage.project);
        let id = insert(&mut tx, user, GUEST, team, "base/*", NOW).await.unwrap();
        let base = repository(&mut tx, stage.project, "team/base/os").await;
        repository(&mut tx, stage.project, "team/web").await;
        let rows: Vec<(i64, i64)> =
            tx.query("SELECT binding_id, repo_id FROM bound_repository").fetch_all().await.unwrap();
        assert_eq!(rows, [(id, base.0)]);
        assert_eq!((below_project("team/base/os"), below_project("team")), ("base/os", "team"));
    })
    .await;
}
