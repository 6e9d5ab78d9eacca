use super::*;
use crate::tables::held;
use crate::tables::stage::{Stage, at, index, manifest, referrer, sha256, tag};

#[tokio::test]
async fn what_keeps_a_manifest_is_seen() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let child = manifest(&mut tx, app, "child").await;
        let list = index(&mut tx, app, "list").await;
        held::hold_children(&mut tx, list, [child]).await.unwrap();
        tag(&mut tx, app, "latest", list).await;
        let signature = referrer(&mut tx, app, "signature", "list").await;
        let dangling = referrer(&mut tx, app, "dangling", "nothing").await;
        let all = [child, list, signature, dangling];
        let mut found = of(&mut tx, &[&all[..], &[ManifestId(0)]].concat()).await.unwrap();
        found.sort_by_key(|standing| standing.id);
        let seen: Vec<_> = found.iter().map(|s| (s.id, s.tagged, s.held, s.refers)).collect();
        let expected = [
            (child, false, true, false),
            (list, true, false, false),
            (signature, false, false, true),
            (dangling, false, false, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!((found[0].repository_name.as_str(), found[0].size), ("team/app", 5));
        assert_eq!(
            (found[0].digest.as_str(), found[0].project),
            (sha256("child").as_str(), stage.project)
        );
        assert_eq!(lock(&mut tx, &[list, ManifestId(0), child]).await.unwrap(), [child, list]);
        assert_eq!(children_of(&mut tx, [list]).await.unwrap(), [(child, list)]);
        assert!(children_of(&mut tx, [child]).await.unwrap().is_empty());
        assert_eq!(referrers_of(&mut tx, [list, child]).await.unwrap(), [signature]);
        assert_eq!(remove_all(&mut tx, &[signature, dangling]).await.unwrap(), 2);
        assert_eq!(remove_all(&mut tx, &[]).await.unwrap(), 0);
        tx.commit().await.unwrap();
        for kept in [child, list] {
            let mut tx = stage.begin().await;
            let refused = remove_all(&mut tx, &[kept]).await;
            assert!(matches!(refused, Err(crate::Error::Reference)), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_newest_manifests_that_nothing_holds_are_told_from_the_others() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for text in ["one", "two", "three"] {
            let id = manifest(&mut tx, app, text).await;
            gc_queue::manifest(&mut tx, app, id, at(5), None).await.unwrap();
            ids.push(id);
        }
        let oldest = of(&mut tx, &ids[..1]).await.unwrap().remove(0);
        let newest = of(&mut tx, &ids[2..]).await.unwrap().remove(0);
        for (standing, keep, expected) in
            [(&oldest, 2, false), (&oldest, 3, true), (&newest, 1, true), (&newest, 0, false)]
        {
            let kept = among_newest(&mut tx, standing, keep, at(9)).await.unwrap();
            assert_eq!(kept, expected, "{keep}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_signature_whose_tag_names_what_it_signs_is_told_from_what_has_another_tag() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let image = manifest(&mut tx, app, "image").await;
        let signature = manifest(&mut tx, app, "signature").await;
        let signed = sha256("image").as_str().to_owned();
        let name = format!("{}.sig", signed.replace(':', "-"));
        let query = tx.query("UPDATE manifest SET accessory_of = $1 WHERE id = $2").bind(signed);
        query.bind(signature.0).execute().await.unwrap();
        tag(&mut tx, app, &name, signature).await;
        tag(&mut tx, app, "latest", image).await;
        let facts = async |tx: &mut Tx, id| {
            let found = of(tx, &[id]).await.unwrap().remove(0);
            (found.tagged, found.refers, found.only_signs)
        };
        assert_eq!(facts(&mut tx, signature).await, (true, true, true));
        assert_eq!(facts(&mut tx, image).await, (true, false, false));
        assert_eq!(referrers_of(&mut tx, [image]).await.unwrap(), [signature]);
        tag(&mut tx, app, "mine", signature).await;
        assert_eq!(facts(&mut tx, signature).await, (true, true, false));
    })
    .await;
}
