use super::*;
use crate::Error;
use crate::tables::stage::{NOW, Stage, project};

#[tokio::test]
async fn settings_of_projects_are_made_once_and_changed_where_they_are() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (team, other) = (stage.project, project(&mut tx, "other", stage.owner, false).await);
        insert(&mut tx, team, "auto_scan", "true", NOW).await.unwrap();
        assert!(!update(&mut tx, other, "auto_scan", "false", NOW).await.unwrap());
        assert!(update(&mut tx, team, "auto_scan", "false", NOW).await.unwrap());
        put(&mut tx, team, "severity", "high", NOW).await.unwrap();
        put(&mut tx, team, "severity", "low", NOW).await.unwrap();
        assert_eq!(find(&mut tx, team, "severity").await.unwrap().as_deref(), Some("low"));
        assert_eq!(find(&mut tx, team, "Severity").await.unwrap(), None, "case counts");
        let all = of(&mut tx, &[team, other]).await.unwrap();
        assert_eq!(all.len(), 1);
        let settings: Vec<_> = all[&team].iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(settings, [("auto_scan", "false"), ("severity", "low")]);
        assert!(of(&mut tx, &[]).await.unwrap().is_empty());
        assert!(remove(&mut tx, team, "severity", NOW).await.unwrap());
        assert!(!remove(&mut tx, team, "severity", NOW).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, team, "auto_scan", "true", NOW).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}
