//! Tests of [`tag`](super::tag).

use super::immutable_rule::{self, Decoration, Selector};
use super::stage::{NOW, Stage, manifest, new_tag, repository, tag as put_tag};
use super::tag::{Removed, insert, list, put, remove, remove_all_in, remove_all_of};

#[tokio::test]
async fn tags_are_told_in_byte_order_and_removed_one_by_one_or_together() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let one = manifest(&mut tx, app, "one").await;
        let two = manifest(&mut tx, app, "two").await;
        for (name, manifest) in [("b", one), ("B", one), ("a_1", two), ("a-1", two), ("a.1", two)] {
            put_tag(&mut tx, app, name, manifest).await;
        }
        let all = ["B", "a-1", "a.1", "a_1", "b"];
        assert_eq!(list(&mut tx, app, "", None).await.unwrap(), all);
        assert_eq!(list(&mut tx, app, "a-1", Some(2)).await.unwrap(), all[2..4]);
        assert!(list(&mut tx, app, "b", None).await.unwrap().is_empty());
        let (small, large) = ("b".parse().unwrap(), "B".parse().unwrap());
        assert!(!insert(&mut tx, app, new_tag(&small, two), NOW).await.unwrap());
        assert_eq!(remove(&mut tx, app, &small).await.unwrap(), Removed::Gone(one));
        assert_eq!(remove(&mut tx, app, &small).await.unwrap(), Removed::Missing);
        assert!(insert(&mut tx, app, new_tag(&small, two), NOW).await.unwrap());
        assert!(put(&mut tx, app, new_tag(&large, two), NOW).await.unwrap());
        assert_eq!(remove_all_of(&mut tx, one).await.unwrap().map(|gone| gone.len()), Some(0));
        assert_eq!(list(&mut tx, app, "", None).await.unwrap(), all);
        let gone = remove_all_of(&mut tx, two).await.unwrap();
        assert_eq!(gone.map(|gone| gone.len()), Some(all.len()));
        assert!(list(&mut tx, app, "", None).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_immutable_tag_stays_and_is_named() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let mut tx = stage.begin().await;
        let web = repository(&mut tx, stage.project, "team/web").await;
        let (one, two) = (manifest(&mut tx, app, "one").await, manifest(&mut tx, app, "two").await);
        for name in ["v2", "v1", "dev"] {
            put_tag(&mut tx, app, name, one).await;
        }
        let of = |pattern: &str| Selector {
            decoration: Decoration::Matches,
            pattern: pattern.to_owned(),
        };
        let (app_only, versions) = (of("app"), of("v*"));
        immutable_rule::insert(&mut tx, stage.project, 0, &app_only, &versions, NOW).await.unwrap();
        let fixed = "v1".parse().unwrap();
        assert_eq!(remove(&mut tx, app, &fixed).await.unwrap(), Removed::Immutable);
        assert!(!put(&mut tx, app, new_tag(&fixed, two), NOW).await.unwrap());
        assert!(put(&mut tx, app, new_tag(&fixed, one), NOW).await.unwrap(), "what it names");
        assert_eq!(remove_all_of(&mut tx, one).await.unwrap(), None, "one of them stays");
        put_tag(&mut tx, app, "dev", two).await;
        assert_eq!(remove_all_of(&mut tx, two).await.unwrap().unwrap(), ["dev"]);
        assert_eq!(remove_all_in(&mut tx, app).await.unwrap().as_deref(), Some("v1"));
        assert_eq!(list(&mut tx, app, "", None).await.unwrap(), ["v1", "v2"]);
        assert_eq!(remove_all_in(&mut tx, web).await.unwrap(), None);
    })
    .await;
}
