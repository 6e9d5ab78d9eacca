use super::*;
use crate::Error;
use crate::filter::{Operand, Test};
use crate::tables::stage::{NOW, Stage, manifest, project, repository, tag};

fn of(pattern: &str) -> Selector {
    Selector { decoration: Decoration::Matches, pattern: pattern.to_owned() }
}

/// The immutable tags of everything, by name.
async fn immutable(tx: &mut Tx) -> Vec<String> {
    let rows: Vec<(String,)> =
        tx.query("SELECT name FROM tag WHERE immutable ORDER BY name").fetch_all().await.unwrap();
    rows.into_iter().map(|(name,)| name).collect()
}

#[tokio::test]
async fn tags_are_marked_by_every_change_of_the_rules() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let web = repository(&mut tx, team, "team/web").await;
        for (place, name) in [(app, "v1"), (app, "dev"), (web, "v2")] {
            let image = manifest(&mut tx, place, name).await;
            tag(&mut tx, place, name, image).await;
        }
        assert!(immutable(&mut tx).await.is_empty());
        let id = insert(&mut tx, team, 0, &of("**"), &of("v*"), NOW).await.unwrap();
        assert_eq!(immutable(&mut tx).await, ["v1", "v2"]);
        let not_web = Selector { decoration: Decoration::Excludes, ..of("web") };
        let mut rule = find(&mut tx, team, id).await.unwrap().unwrap();
        rule.repository = not_web.clone();
        assert!(update(&mut tx, team, &rule, NOW).await.unwrap());
        assert_eq!(immutable(&mut tx).await, ["v1"]);
        assert_eq!(in_force(&mut tx, team).await.unwrap()[0].repository, not_web);
        rule.disabled = true;
        assert!(update(&mut tx, team, &rule, NOW).await.unwrap());
        assert!(immutable(&mut tx).await.is_empty());
        rule.disabled = false;
        assert!(update(&mut tx, team, &rule, NOW).await.unwrap());
        let other = project(&mut tx, "other", stage.owner, false).await;
        assert!(!update(&mut tx, other, &rule, NOW).await.unwrap());
        assert!(!remove(&mut tx, other, id, NOW).await.unwrap());
        assert!(find(&mut tx, other, id).await.unwrap().is_none());
        assert!(remove(&mut tx, team, id, NOW).await.unwrap());
        assert!(immutable(&mut tx).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn rules_are_listed_in_pages_and_a_rule_is_there_once() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let team = stage.project;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for (priority, pattern) in [(2, "a*"), (1, "b*"), (1, "c*")] {
            let rule = insert(&mut tx, team, priority, &of("**"), &of(pattern), NOW).await;
            ids.push(rule.unwrap());
        }
        let order = [("priority", false), ("id", true)];
        let shown = list(&mut tx, team, &[], &order, 2, 0).await.unwrap();
        assert_eq!(shown.iter().map(|rule| rule.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
        let shown = list(&mut tx, team, &[], &order, 2, 2).await.unwrap();
        assert_eq!(shown.iter().map(|rule| rule.id).collect::<Vec<_>>(), [ids[0]]);
        let first = [Condition { column: "priority", test: Test::Equals(Operand::Integer(1)) }];
        assert_eq!(count(&mut tx, team, &first).await.unwrap(), 2);
        assert_eq!(all(&mut tx, team).await.unwrap().len(), 3);
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, team, 9, &of("**"), &of("a*"), NOW).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
        drop(tx);
        let mut tx = stage.begin().await;
        remove_all_of(&mut tx, team).await.unwrap();
        assert_eq!(count(&mut tx, team, &[]).await.unwrap(), 0);
    })
    .await;
}
