use super::*;
use crate::Error;
use crate::tables::stage::{NOW, Stage, at, index, linked, manifest, person, project, referrer};
use crate::tables::stage::{repository as new_repository, sha256, tag};
use crate::tables::{binding, held};

#[tokio::test]
async fn a_repository_is_made_once_and_shown_when_it_has_content() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let name = "team/app".parse().unwrap();
        assert_eq!(ensure(&mut tx, stage.project, &name, NOW).await.unwrap(), app);
        assert!(find(&mut tx, &name).await.unwrap().is_none(), "it is empty");
        assert_eq!(ids_in(&mut tx, stage.project).await.unwrap(), [app]);
        let child = manifest(&mut tx, app, "child").await;
        let list = index(&mut tx, app, "list").await;
        held::hold_children(&mut tx, list, [child]).await.unwrap();
        referrer(&mut tx, app, "signature", "list").await;
        let found = find(&mut tx, &name).await.unwrap().unwrap();
        assert_eq!((found.artifacts, found.public), (1, false), "children belong to their index");
        assert_eq!((found.project_name.as_str(), found.description.as_str()), ("team", ""));
        tag(&mut tx, app, "arm", child).await;
        assert!(set_description(&mut tx, app, "Grüße", at(70)).await.unwrap());
        let found = find(&mut tx, &name).await.unwrap().unwrap();
        assert_eq!((found.artifacts, found.description.as_str()), (2, "Grüße"));
        assert_eq!(found.updated_at, at(70));
        let empty = new_repository(&mut tx, stage.project, "team/empty").await;
        assert!(remove(&mut tx, empty).await.unwrap());
        assert!(!remove(&mut tx, empty).await.unwrap());
        assert!(!set_description(&mut tx, empty, "", at(71)).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let full = remove(&mut tx, app).await;
        assert!(matches!(full, Err(Error::Reference)), "{full:?}");
    })
    .await;
}

#[tokio::test]
async fn catalogues_and_lists_show_what_the_viewer_may_see_in_byte_order() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let open = project(&mut tx, "open", stage.owner, true).await;
        for name in ["open/b-c", "open/b", "open/b/c", "open/b_c", "open/b.c"] {
            let id = new_repository(&mut tx, open, name).await;
            manifest(&mut tx, id, name).await;
        }
        manifest(&mut tx, stage.repository, "image").await;
        linked(&mut tx, stage.project, stage.repository, "layer", NOW).await;
        new_repository(&mut tx, open, "open/empty").await;
        let nobody = Viewer { everything: false, principal: None, via: None };
        let in_order = ["open/b", "open/b-c", "open/b.c", "open/b/c", "open/b_c"];
        assert_eq!(catalog(&mut tx, nobody, "", 9).await.unwrap(), in_order);
        let all = Viewer::EVERYTHING;
        assert_eq!(catalog(&mut tx, all, "open/b/c", 9).await.unwrap(), ["open/b_c", "team/app"]);
        assert_eq!(catalog(&mut tx, all, "open/b", 2).await.unwrap(), in_order[1..3]);
        let guest = person(&mut tx, "guest").await;
        let scope = binding::Scope::Project(stage.project);
        let role = roadstead_model::RoleId(3);
        binding::insert(&mut tx, guest, role, scope, "app", NOW).await.unwrap();
        let guest = Viewer { principal: Some(guest), ..nobody };
        let names = async |tx: &mut Tx, viewer, filter| {
            let found = list(tx, viewer, filter, 10, 0).await.unwrap();
            let shown = i64::try_from(found.len()).unwrap();
            assert_eq!(count(tx, viewer, filter).await.unwrap(), shown);
            found.into_iter().map(|repository| repository.name).collect::<Vec<_>>()
        };
        let order = [("r.name", true)];
        let backwards = Filter { order: &order, ..Filter::default() };
        assert_eq!(names(&mut tx, guest, backwards).await.len(), 6);
        assert_eq!(names(&mut tx, nobody, backwards).await[0], "open/b_c");
        let filter = Filter { project: Some(stage.project), ..backwards };
        assert_eq!(names(&mut tx, guest, filter).await, ["team/app"]);
        assert!(names(&mut tx, nobody, filter).await.is_empty());
        let filter = Filter { name: "B_C", ..backwards };
        assert_eq!(names(&mut tx, all, filter).await, ["open/b_c"], "no wildcard");
        let digest = sha256("layer");
        let filter = Filter { blob: Some(digest.as_str()), ..backwards };
        assert_eq!(names(&mut tx, all, filter).await, ["team/app"]);
    })
    .await;
}
