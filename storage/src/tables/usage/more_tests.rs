use super::*;
use crate::tables::stage::{NOW, Stage, at, blob as new_blob, linked, project, sha256};
use crate::tables::{blob, link};

#[tokio::test]
async fn usages_are_listed_and_added_up() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let team = stage.project;
        let mut tx = stage.begin().await;
        let other = project(&mut tx, "other", stage.owner, false).await;
        add(&mut tx, team, 5).await.unwrap();
        add(&mut tx, other, 7).await.unwrap();
        assert_eq!(total(&mut tx).await.unwrap(), 12);
        let order = [("u.used", true)];
        let all = list(&mut tx, None, &order, 9, 0).await.unwrap();
        let shown: Vec<_> = all.iter().map(|u| (u.project_name.as_str(), u.used)).collect();
        assert_eq!(shown, [("other", 7), ("team", 5)]);
        assert_eq!((all[0].updated_at, all[0].owner_name.as_str()), (NOW, "owner"));
        assert_eq!(list(&mut tx, None, &order, 1, 1).await.unwrap()[0].project, team);
        assert_eq!(list(&mut tx, Some(team), &order, 9, 0).await.unwrap().len(), 1);
        assert_eq!(count(&mut tx, None).await.unwrap(), 2);
        assert_eq!(count(&mut tx, Some(ProjectId(0))).await.unwrap(), 0);
        assert!(set_quota(&mut tx, team, 3, at(9)).await.unwrap());
        assert!(!set_quota(&mut tx, ProjectId(0), 3, at(9)).await.unwrap());
        let found = find(&mut tx, team).await.unwrap().unwrap();
        assert_eq!((found.quota, found.used, found.updated_at), (3, 5, at(9)));
        assert!(find(&mut tx, ProjectId(0)).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_full_project_takes_what_it_has_already_and_what_may_heal_it() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let id = linked(&mut tx, team, app, "12345", NOW).await;
        new_blob(&mut tx, "elsewhere").await;
        require_any_room(&mut tx, team).await.unwrap();
        set_quota(&mut tx, team, 5, NOW).await.unwrap();
        assert!(matches!(
            require_any_room(&mut tx, team).await,
            Err(Error::OverQuota { used: 5, requested: 0, quota: 5 })
        ));
        let (held, new) = (sha256("12345"), sha256("elsewhere"));
        require_room(&mut tx, team, 5, Some(&held)).await.unwrap();
        require_room(&mut tx, team, 5, None).await.unwrap();
        require_room(&mut tx, team, 0, Some(&new)).await.unwrap();
        assert!(require_room(&mut tx, team, 9, Some(&new)).await.is_err());
        assert!(require_room(&mut tx, team, 6, None).await.is_err());
        let key = blob::find(&mut tx, &held).await.unwrap().unwrap().key;
        blob::set_state(&mut tx, id, &key, blob::State::Suspect, NOW).await.unwrap();
        require_any_room(&mut tx, team).await.unwrap();
        link::remove(&mut tx, team, app, id).await.unwrap();
        assert_eq!(find(&mut tx, team).await.unwrap().unwrap().used, 0);
    })
    .await;
}
