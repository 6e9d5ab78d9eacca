use roadstead_model::Action;

use super::*;
use crate::tables::binding;
use crate::tables::stage::{NOW, Stage, person, project};

const GUEST: RoleId = RoleId(3);

#[tokio::test]
async fn rights_are_those_of_the_place_and_of_everywhere() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let here = Scope::Project(stage.project);
        let there = Scope::Project(project(&mut tx, "other", stage.owner, false).await);
        let pull = Permission::repository(Action::Pull);
        binding::insert(&mut tx, user, GUEST, here, "web", NOW).await.unwrap();
        assert!(of(&mut tx, user, here).await.unwrap().contains(&(pull, "web".to_owned())));
        for nowhere in [there, Scope::AllProjects, Scope::System] {
            assert!(of(&mut tx, user, nowhere).await.unwrap().is_empty());
        }
        binding::insert(&mut tx, user, GUEST, Scope::AllProjects, "", NOW).await.unwrap();
        let both = of(&mut tx, user, here).await.unwrap();
        for pattern in ["web", ""] {
            let mine = both.iter().filter(|right| **right == (pull, pattern.to_owned()));
            assert_eq!(mine.count(), 1, "each once");
        }
        for everywhere in [there, Scope::AllProjects] {
            assert!(of(&mut tx, user, everywhere).await.unwrap().contains(&(pull, String::new())));
        }
        assert!(of(&mut tx, user, Scope::System).await.unwrap().is_empty());
        assert!(of_everybody(&mut tx).await.unwrap().contains(&pull));
    })
    .await;
}

#[tokio::test]
async fn who_administers_a_whole_project_is_known() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let (admin, team) = (RoleId::PROJECT_ADMIN, Scope::Project(stage.project));
        assert!(administers_a_project(&mut tx, stage.owner).await.unwrap());
        binding::insert(&mut tx, user, GUEST, team, "", NOW).await.unwrap();
        binding::insert(&mut tx, user, admin, team, "part", NOW).await.unwrap();
        assert!(!administers_a_project(&mut tx, user).await.unwrap());
        project(&mut tx, "own", user, false).await;
        assert!(administers_a_project(&mut tx, user).await.unwrap());
    })
    .await;
}
