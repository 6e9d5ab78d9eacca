use super::*;
use crate::tables::stage::{Stage, at};

#[tokio::test]
async fn a_schedule_is_replaced_in_its_place_and_advanced_by_one() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let new = Schedule {
            job: "GARBAGE_COLLECTION".to_owned(),
            vendor: 0,
            kind: "Daily".to_owned(),
            cron: "0 0 0 * * *".to_owned(),
            parameters: "{}".to_owned(),
            next_at: Some(at(10)),
            created_at: at(1),
            updated_at: at(1),
        };
        put(&mut tx, &new).await.unwrap();
        assert_eq!(find(&mut tx, &new.job).await.unwrap().as_ref(), Some(&new));
        assert_eq!(find(&mut tx, "PURGE_AUDIT_LOG").await.unwrap(), None);
        let hourly =
            Schedule { kind: "Hourly".to_owned(), created_at: at(5), updated_at: at(5), ..new };
        put(&mut tx, &hourly).await.unwrap();
        let found = find(&mut tx, &hourly.job).await.unwrap().unwrap();
        assert_eq!(found, Schedule { created_at: at(1), ..hourly.clone() });
        assert!(advance(&mut tx, (&hourly.job, 0), at(10), Some(at(20))).await.unwrap());
        assert!(!advance(&mut tx, (&hourly.job, 0), at(10), Some(at(20))).await.unwrap());
        assert!(advance(&mut tx, (&hourly.job, 0), at(20), None).await.unwrap());
        assert!(!advance(&mut tx, (&hourly.job, 0), at(20), None).await.unwrap());
        assert_eq!(find(&mut tx, &hourly.job).await.unwrap().unwrap().next_at, None);
        assert!(remove(&mut tx, &hourly.job).await.unwrap());
        assert!(!remove(&mut tx, &hourly.job).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn things_of_one_kind_have_schedules_of_their_own() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let of = |vendor: i64| Schedule {
            job: "RETENTION".to_owned(),
            vendor,
            kind: "Custom".to_owned(),
            cron: "0 0 0 * * *".to_owned(),
            parameters: "{}".to_owned(),
            next_at: Some(at(10 * vendor)),
            created_at: at(1),
            updated_at: at(1),
        };
        for vendor in [1, 2] {
            put(&mut tx, &of(vendor)).await.unwrap();
        }
        assert_eq!(find(&mut tx, "RETENTION").await.unwrap(), None);
        assert_eq!(due(&mut tx, "RETENTION", at(9)).await.unwrap(), []);
        assert_eq!(due(&mut tx, "RETENTION", at(10)).await.unwrap(), [of(1)]);
        assert_eq!(due(&mut tx, "RETENTION", at(20)).await.unwrap(), [of(1), of(2)]);
        assert_eq!(due(&mut tx, "OTHER", at(20)).await.unwrap(), []);
        assert!(advance(&mut tx, ("RETENTION", 1), at(10), None).await.unwrap());
        assert_eq!(due(&mut tx, "RETENTION", at(20)).await.unwrap(), [of(2)]);
        assert!(remove_of(&mut tx, ("RETENTION", 2)).await.unwrap());
        assert!(!remove_of(&mut tx, ("RETENTION", 2)).await.unwrap());
        assert_eq!(count(&mut tx).await.unwrap(), 1);
    })
    .await;
}
