use super::*;
use crate::filter::{Operand, Test};
use crate::tables::stage::{self, Stage, at, manifest, sha256};

#[tokio::test]
async fn the_history_says_what_each_tag_named_until_it_is_forgotten() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, mut tx) = (stage.project, stage.begin().await);
        let digest = sha256("x");
        let digest = digest.as_str();
        let made = Move {
            project: team,
            repository: "team/app",
            tag: "v1",
            from: None,
            to: Some(digest),
            by: "owner",
        };
        record(&mut tx, made, at(1)).await.unwrap();
        let id = manifest(&mut tx, stage.repository, "x").await;
        for name in ["v1", "v2"] {
            stage::tag(&mut tx, stage.repository, name, id).await;
        }
        record_removal_of_all(&mut tx, stage.repository, "admin", at(2)).await.unwrap();
        let order = [("id", false)];
        let found = list(&mut tx, team, "team/app", &[], &order, (9, 0)).await.unwrap();
        let moves: Vec<_> = found
            .iter()
            .map(|m| (m.tag.as_str(), m.from.as_deref(), m.to.as_deref(), m.by.as_str(), m.at))
            .collect();
        let expected = [
            ("v1", None, Some(digest), "owner", at(1)),
            ("v1", Some(digest), None, "admin", at(2)),
            ("v2", Some(digest), None, "admin", at(2)),
        ];
        assert_eq!(moves, expected);
        let test = Test::Equals(Operand::Text("v2".to_owned()));
        let only = [Condition { column: "tag", test }];
        assert_eq!(count(&mut tx, team, "team/app", &only).await.unwrap(), 1);
        assert_eq!(count(&mut tx, team, "team/other", &[]).await.unwrap(), 0);
        assert!(!has_older(&mut tx, at(1)).await.unwrap());
        assert!(has_older(&mut tx, at(2)).await.unwrap());
        assert_eq!(forget(&mut tx, at(2), 9).await.unwrap(), 1);
        assert_eq!(forget(&mut tx, at(3), 1).await.unwrap(), 1);
        assert_eq!(count(&mut tx, team, "team/app", &[]).await.unwrap(), 1);
        tx.commit().await.unwrap();
    })
    .await;
}
