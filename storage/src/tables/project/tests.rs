use super::*;
use crate::Error;
use crate::filter::{Operand, Test};
use crate::tables::stage::{NOW, Stage, at, manifest, person};
use crate::tables::stage::{project as new_project, repository as new_repository};

const NOBODY: Viewer = Viewer { everything: false, principal: None, via: None };

#[tokio::test]
async fn a_project_is_what_it_was_made_as_until_it_is_changed_or_empty_and_removed() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let team = stage.project;
        let mut tx = stage.begin().await;
        let found = find(&mut tx, "team").await.unwrap().unwrap();
        assert_eq!(
            (found.id, found.owner, found.owner_name.as_str()),
            (team, stage.owner, "owner")
        );
        assert_eq!((found.public, found.created_at), (false, NOW));
        assert!(find(&mut tx, "Team").await.unwrap().is_none());
        set_public(&mut tx, team, true, at(50)).await.unwrap();
        let found = find_by_id(&mut tx, team).await.unwrap().unwrap();
        assert_eq!((found.public, found.updated_at), (true, at(50)));
        share(&mut tx, team).await.unwrap();
        assert!(lock(&mut tx, team, at(60)).await.unwrap());
        assert!(!lock(&mut tx, ProjectId(0), at(60)).await.unwrap());
        manifest(&mut tx, stage.repository, "image").await;
        new_repository(&mut tx, team, "team/empty").await;
        assert_eq!(count_repositories(&mut tx, team).await.unwrap(), 1);
        let empty = new_project(&mut tx, "empty", stage.owner, false).await;
        binding::remove_all_in(&mut tx, empty).await.unwrap();
        assert!(remove(&mut tx, empty, NOW).await.unwrap());
        assert!(!remove(&mut tx, empty, NOW).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let full = remove(&mut tx, team, NOW).await;
        assert!(matches!(full, Err(Error::Reference)), "{full:?}");
        drop(tx);
        let mut tx = stage.begin().await;
        let name = "team".parse().unwrap();
        let again = insert(&mut tx, &name, stage.owner, true, -1, NOW).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_name_leads_to_its_project_and_to_its_repository_if_there_is_one() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let at = async |tx: &mut Tx, name: &str| place(tx, &name.parse().unwrap()).await.unwrap();
        let (project, repository) = (stage.project, Some(stage.repository));
        let there = Place { project, public: false, repository };
        assert_eq!(at(&mut tx, "team/app").await, Some(there));
        let new = Place { repository: None, ..there };
        assert_eq!(at(&mut tx, "team/app/below").await, Some(new));
        assert_eq!(at(&mut tx, "nobody/app").await, None);
    })
    .await;
}

#[tokio::test]
async fn lists_and_statistics_show_what_the_viewer_may_see() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let anna = person(&mut tx, "anna").await;
        let open = new_project(&mut tx, "open", anna, true).await;
        new_project(&mut tx, "team-2", anna, false).await;
        let tools = new_repository(&mut tx, open, "open/tools").await;
        for repository in [tools, stage.repository] {
            manifest(&mut tx, repository, "image").await;
        }
        let names = async |tx: &mut Tx, viewer, filter| {
            let found = list(tx, viewer, filter, 10, 0).await.unwrap();
            let shown = i64::try_from(found.len()).unwrap();
            assert_eq!(count(tx, viewer, filter).await.unwrap(), shown);
            found.into_iter().map(|project| project.name).collect::<Vec<_>>()
        };
        let order = [("p.name", false)];
        let by_name = Filter { order: &order, ..Filter::default() };
        let all = Viewer::EVERYTHING;
        assert_eq!(names(&mut tx, all, by_name).await, ["open", "team", "team-2"]);
        assert_eq!(names(&mut tx, NOBODY, by_name).await, ["open"]);
        let owner = Viewer { principal: Some(stage.owner), ..NOBODY };
        assert_eq!(names(&mut tx, owner, by_name).await, ["open", "team"]);
        let part = Filter { name: Some("EAM"), ..by_name };
        assert_eq!(names(&mut tx, all, part).await, ["team", "team-2"]);
        let hers = Filter { owner: Some("anna"), public: Some(false), ..by_name };
        assert_eq!(names(&mut tx, all, hers).await, ["team-2"]);
        let test = Test::Equals(Operand::Text("open".to_owned()));
        let conditions = [Condition { column: "p.name", test }];
        let equal = Filter { conditions: &conditions, ..by_name };
        assert_eq!(names(&mut tx, all, equal).await, ["open"]);
        assert_eq!(list(&mut tx, all, by_name, 1, 2).await.unwrap()[0].name, "team-2");
        assert_eq!(statistics(&mut tx, all).await.unwrap(), (1, 1, 2, 1));
        assert_eq!(statistics(&mut tx, NOBODY).await.unwrap(), (1, 1, 0, 0));
        assert_eq!(statistics(&mut tx, owner).await.unwrap(), (1, 1, 1, 1));
    })
    .await;
}
