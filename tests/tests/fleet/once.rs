//! Background work is done once, whichever server does it.

use std::time::Duration;

use serde_json::json;

use crate::fleet::Fleet;

const SCHEDULE: &str = "/api/v2.0/system/purgeaudit/schedule";

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_once_though_every_server_watches_it() {
    let fleet = Fleet::start(3, &[]);
    let body = json!({
        "schedule": {"type": "Daily", "cron": "0 0 0 * * *"},
        "parameters": {"audit_retention_hour": 24, "include_event_types": "create_project", "dry_run": false},
    });
    assert_eq!(fleet.admin().json("POST", SCHEDULE, &body).await, 201);
    let database = fleet.servers[0].database().await;
    for round in 1..=4 {
        database.execute("UPDATE schedule SET next_at = 1", &[]).await;
        let finished = "SELECT COUNT(*) FROM execution WHERE status = 'Success'";
        for _ in 0..100 {
            if database.number(finished).await >= round {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Every server has looked once more by then.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(database.number(finished).await, round, "finished purges");
        assert_eq!(database.number("SELECT COUNT(*) FROM execution").await, round, "purges");
    }
    database.close().await;
}
