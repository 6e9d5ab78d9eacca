use super::*;
use crate::tables::held;
use crate::tables::stage::{Stage, at, blob, linked, manifest, project, repository, sha256};

async fn used(tx: &mut Tx, project: ProjectId) -> i64 {
    usage::find(tx, project).await.unwrap().unwrap().used
}

#[tokio::test]
async fn a_blob_counts_once_in_a_project_until_its_last_link_is_gone() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let web = repository(&mut tx, team, "team/web").await;
        let id = linked(&mut tx, team, app, "12345", at(10)).await;
        for lease in [20, 15] {
            put(&mut tx, team, app, id, at(lease)).await.unwrap();
        }
        assert_eq!(lease(&mut tx, app, id).await.unwrap(), Some(at(20)), "never shorter");
        put(&mut tx, team, web, id, at(10)).await.unwrap();
        assert_eq!(used(&mut tx, team).await, 5);
        assert!(renew(&mut tx, web, id, at(30)).await.unwrap());
        assert!(renew(&mut tx, web, id, at(5)).await.unwrap());
        assert_eq!(lease(&mut tx, web, id).await.unwrap(), Some(at(30)));
        assert!(remove(&mut tx, team, app, id).await.unwrap());
        assert!(!remove(&mut tx, team, app, id).await.unwrap());
        assert_eq!((lease(&mut tx, app, id).await.unwrap(), used(&mut tx, team).await), (None, 5));
        assert!(!renew(&mut tx, app, id, at(40)).await.unwrap());
        linked(&mut tx, team, web, "678", at(10)).await;
        assert_eq!(used(&mut tx, team).await, 8);
        remove_all_in(&mut tx, team, web).await.unwrap();
        assert_eq!(used(&mut tx, team).await, 0);
        assert!(miscounted(&mut tx).await.unwrap().is_empty());
        usage::add(&mut tx, team, 7).await.unwrap();
        assert_eq!(miscounted(&mut tx).await.unwrap(), [(team, 7, 0)]);
    })
    .await;
}

#[tokio::test]
async fn digests_lead_to_what_is_linked_here_and_to_where_the_viewer_may_pull() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let id = linked(&mut tx, team, app, "12345", at(10)).await;
        blob(&mut tx, "nowhere").await;
        let (here, nowhere) = (sha256("12345"), sha256("nowhere"));
        let found = resolve(&mut tx, app, [&here, &nowhere]).await.unwrap();
        assert_eq!(found, HashMap::from([(here.clone(), Linked { id, size: 5 })]));
        assert!(resolve(&mut tx, app, []).await.unwrap().is_empty());
        let all = Viewer::EVERYTHING;
        assert_eq!(source(&mut tx, &here, all).await.unwrap(), Some(app));
        assert_eq!(source(&mut tx, &nowhere, all).await.unwrap(), None);
        let nobody = Viewer { everything: false, principal: None, via: None };
        assert_eq!(source(&mut tx, &here, nobody).await.unwrap(), None);
        let owner = Viewer { principal: Some(stage.owner), ..nobody };
        assert_eq!(source(&mut tx, &here, owner).await.unwrap(), Some(app));
        let open = project(&mut tx, "open", stage.owner, true).await;
        let copy = repository(&mut tx, open, "open/copy").await;
        put(&mut tx, open, copy, id, at(10)).await.unwrap();
        assert_eq!(source(&mut tx, &here, nobody).await.unwrap(), Some(copy));
    })
    .await;
}

#[tokio::test]
async fn links_go_when_their_lease_has_ended_and_nothing_holds_them() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let free = linked(&mut tx, team, app, "free", at(10)).await;
        let young = linked(&mut tx, team, app, "young", at(50)).await;
        let held = linked(&mut tx, team, app, "held", at(10)).await;
        let image = manifest(&mut tx, app, "image").await;
        held::hold_blobs(&mut tx, app, image, [held]).await.unwrap();
        let all = [(free, app), (young, app), (held, app)];
        let mut rows = holders(&mut tx, all).await.unwrap();
        rows.sort_by_key(|row| row.link.blob);
        let manifests: Vec<_> = rows.iter().map(|row| row.manifest).collect();
        assert_eq!(manifests, [None, None, Some(image)]);
        assert_eq!(rows[1].lease_until, at(50));
        assert_eq!(held_by(&mut tx, [image]).await.unwrap(), [(held, app)]);
        assert!(held_by(&mut tx, []).await.unwrap().is_empty());
        let gone = remove_expired(&mut tx, all, at(10)).await.unwrap();
        assert_eq!(gone, [Gone { repository: app, blob: free }]);
        let mut links = links_of(&mut tx, [free, young]).await.unwrap();
        links.sort_by_key(|(id, ..)| *id);
        assert_eq!(links, [(free, 4, None), (young, 5, Some(app))]);
        assert_eq!(used(&mut tx, team).await, 9);
        assert_eq!(remove_expired(&mut tx, all, at(49)).await.unwrap(), []);
    })
    .await;
}
