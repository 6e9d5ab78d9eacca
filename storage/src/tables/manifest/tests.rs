use super::*;
use crate::tables::held;
use crate::tables::stage::{Stage, index, manifest as new_manifest, put, repository, sha256, tag};

#[tokio::test]
async fn a_manifest_is_its_repositorys_and_its_bytes_are_as_they_came() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let id = new_manifest(&mut tx, app, "{\"a\":\"Grüße\"}\n").await;
        let digest = sha256("{\"a\":\"Grüße\"}\n");
        assert_eq!(put(&mut tx, app, "{\"a\":\"Grüße\"}\n", None, false).await, None);
        let found = find(&mut tx, app, &digest).await.unwrap().unwrap();
        assert_eq!((found.id, found.size), (id, 16));
        assert_eq!(hold(&mut tx, app, &digest).await.unwrap(), Some(found.clone()));
        let text = bytes(&mut tx, id).await.unwrap();
        assert_eq!(text.as_deref(), Some("{\"a\":\"Grüße\"}\n".as_bytes()));
        assert_eq!(bytes(&mut tx, ManifestId(0)).await.unwrap(), None);
        let web = repository(&mut tx, stage.project, "team/web").await;
        assert_eq!(find(&mut tx, web, &digest).await.unwrap(), None);
        tag(&mut tx, app, "V1", id).await;
        let name = "V1".parse().unwrap();
        assert_eq!(find_tagged(&mut tx, app, &name).await.unwrap(), Some(found.clone()));
        assert_eq!(find_tagged_to_write(&mut tx, app, &name).await.unwrap(), Some(found));
        let other = "v1".parse().unwrap();
        assert_eq!(find_tagged(&mut tx, app, &other).await.unwrap(), None, "case counts");
        assert_eq!(find_tagged_to_write(&mut tx, web, &name).await.unwrap(), None);
        let child = Child { id, size: 16, depth: 0, total_size: 0 };
        let known = resolve(&mut tx, app, [&digest, &sha256("x")]).await.unwrap();
        assert_eq!(known, HashMap::from([(digest, child)]));
        assert!(resolve(&mut tx, app, []).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn manifests_are_walked_by_id_and_stay_while_an_index_holds_them() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let child = new_manifest(&mut tx, app, "child").await;
        let list = index(&mut tx, app, "list").await;
        held::hold_children(&mut tx, list, [child]).await.unwrap();
        let web = repository(&mut tx, stage.project, "team/web").await;
        let signature = put(&mut tx, web, "signature", Some("child"), false).await.unwrap();
        let page = walk(&mut tx, child, 9).await.unwrap();
        assert_eq!(page.iter().map(|claim| claim.id).collect::<Vec<_>>(), [list, signature]);
        assert_eq!(
            (page[1].repository.as_str(), &page[1].bytes[..]),
            ("team/web", &b"signature"[..])
        );
        assert_eq!(page[1].subject.as_deref(), Some(sha256("child").as_str()));
        assert_eq!(walk(&mut tx, ManifestId(0), 1).await.unwrap()[0].id, child);
        assert!(walk(&mut tx, signature, 1).await.unwrap().is_empty());
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let refused = remove(&mut tx, child).await;
        assert!(matches!(refused, Err(Error::Reference)), "{refused:?}");
        drop(tx);
        let mut tx = stage.begin().await;
        assert!(remove(&mut tx, signature).await.unwrap());
        assert!(!remove(&mut tx, signature).await.unwrap());
        assert_eq!(remove_all_in(&mut tx, app).await.unwrap(), 9);
        assert_eq!(remove_all_in(&mut tx, app).await.unwrap(), 0);
    })
    .await;
}
