use super::*;
use crate::tables::setting;
use crate::tables::stage::{Stage, at, sha256};

#[tokio::test]
async fn a_key_is_claimed_when_its_time_has_come_and_rests_longer_each_time() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (one, two) = (ObjectKey::fresh(), ObjectKey::fresh());
        let grave = Grave { multipart: Some("m".to_owned()), ..Grave::of_blob(&one, &sha256("x")) };
        insert(&mut tx, grave.clone(), at(20), "e").await.unwrap();
        insert(&mut tx, &two, at(10), "e").await.unwrap();
        assert!(!has_due(&mut tx, at(9), "e").await.unwrap());
        assert!(has_due(&mut tx, at(10), "e").await.unwrap());
        assert!(!has_due(&mut tx, at(99), "other").await.unwrap());
        assert!(claim(&mut tx, at(9), "e", 9).await.unwrap().is_empty());
        assert_eq!(claim(&mut tx, at(20), "e", 1).await.unwrap(), [Grave::from(&two)]);
        assert_eq!(claim(&mut tx, at(20), "e", 9).await.unwrap(), [grave]);
        assert!(claim(&mut tx, at(29), "e", 9).await.unwrap().is_empty());
        assert_eq!(claim(&mut tx, at(30), "e", 9).await.unwrap().len(), 2);
        assert!(claim(&mut tx, at(49), "e", 9).await.unwrap().is_empty(), "twice as long");
        assert_eq!(claim(&mut tx, at(50), "e", 9).await.unwrap().len(), 2);
        remove(&mut tx, &[one]).await.unwrap();
        remove(&mut tx, &[]).await.unwrap();
        assert_eq!(claim(&mut tx, at(9999), "e", 9).await.unwrap(), [Grave::from(&two)]);
    })
    .await;
}

#[tokio::test]
async fn nothing_of_another_epoch_and_nothing_during_a_backup_is_deleted() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let key = ObjectKey::fresh();
        insert(&mut tx, &key, at(10), "old").await.unwrap();
        assert!(claim(&mut tx, at(50), "new", 9).await.unwrap().is_empty());
        assert_eq!(adopt(&mut tx, "new", at(60)).await.unwrap(), 1);
        assert_eq!(adopt(&mut tx, "new", at(99)).await.unwrap(), 0);
        assert!(claim(&mut tx, at(59), "new", 9).await.unwrap().is_empty());
        setting::set(&mut tx, "a.text", "no number").await.unwrap();
        setting::set(&mut tx, "lease.backup", &at(100).0.to_string()).await.unwrap();
        assert!(claim(&mut tx, at(99), "new", 9).await.unwrap().is_empty());
        assert_eq!(claim(&mut tx, at(100), "new", 9).await.unwrap(), [Grave::from(&key)]);
    })
    .await;
}
