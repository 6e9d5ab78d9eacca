use roadstead_model::RoleId;

use super::*;
use crate::tables::binding::{self, Scope};
use crate::tables::stage::{NOW, Stage, linked, manifest, person, repository, tag};
use crate::tables::usage;

#[tokio::test]
async fn a_count_that_went_wrong_is_seen_and_put_right() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let layer = linked(&mut tx, team, app, "12345", NOW).await;
        assert!(miscounted_blobs(&mut tx).await.unwrap().is_empty());
        tx.query("DELETE FROM project_blob").execute().await.unwrap();
        usage::add(&mut tx, team, 100).await.unwrap();
        assert_eq!(miscounted_blobs(&mut tx).await.unwrap(), [team]);
        project(&mut tx, team).await.unwrap();
        assert!(miscounted_blobs(&mut tx).await.unwrap().is_empty());
        assert_eq!(usage::find(&mut tx, team).await.unwrap().unwrap().used, 5);
        let text = "DELETE FROM repo_blob WHERE blob_id = $1";
        tx.query(text).bind(layer.0).execute().await.unwrap();
        assert_eq!(miscounted_blobs(&mut tx).await.unwrap(), [team]);
        project(&mut tx, team).await.unwrap();
        assert_eq!(usage::find(&mut tx, team).await.unwrap().unwrap().used, 0);
    })
    .await;
}

#[tokio::test]
async fn rows_of_patterns_that_are_missing_or_too_many_are_seen_and_put_right() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let (user, team) = (person(&mut tx, "user").await, Scope::Project(stage.project));
        let web = repository(&mut tx, stage.project, "team/web").await;
        let id = binding::insert(&mut tx, user, RoleId(3), team, "app", NOW).await.unwrap();
        assert_eq!(bound(&mut tx).await.unwrap(), Bound::default());
        tx.query("UPDATE bound_repository SET repo_id = $1").bind(web.0).execute().await.unwrap();
        let wrong = Bound { missing: vec![(id, app.0)], surplus: vec![(id, web.0)] };
        assert_eq!(bound(&mut tx).await.unwrap(), wrong);
        rebind(&mut tx).await.unwrap();
        assert_eq!(bound(&mut tx).await.unwrap(), Bound::default());
        let image = manifest(&mut tx, app, "image").await;
        tag(&mut tx, app, "v1", image).await;
        assert!(strayed_tags(&mut tx).await.unwrap().is_empty());
    })
    .await;
}
