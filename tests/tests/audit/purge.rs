//! Purging: by hand, dry, on a schedule.

use roadstead_tests::http::header;
use serde_json::{Value, json};

use crate::stage::{Stage, until};

const PURGES: &str = "/api/v2.0/system/purgeaudit";
const SCHEDULE: &str = "/api/v2.0/system/purgeaudit/schedule";

async fn ask(stage: &Stage, schedule: Value, types: &str, dry_run: bool) -> reqwest::Response {
    let body = json!({
        "schedule": schedule,
        "parameters": {
            "audit_retention_hour": 24, "include_event_types": types, "dry_run": dry_run,
        },
    });
    stage.admin.send("POST", SCHEDULE).json(&body).send().await.unwrap()
}

/// Purges now, and returns what the execution became.
async fn purge(stage: &Stage, types: &str, dry_run: bool) -> Value {
    let answer = ask(stage, json!({"type": "Manual"}), types, dry_run).await;
    assert_eq!(answer.status(), 201);
    ended(stage, &header(&answer, "location")).await
}

async fn ended(stage: &Stage, path: &str) -> Value {
    let mut found = Value::Null;
    until("the end of a purge", async || {
        found = stage.admin.get(path).await.json().await.unwrap();
        !matches!(found["job_status"].as_str(), Some("Pending" | "Running"))
    })
    .await;
    found
}

async fn projects_in_log(stage: &Stage) -> usize {
    stage.events("q=resource%3D~old-,operation%3Dcreate").await.len()
}

/// Three old projects and one that is young.
async fn history() -> Stage {
    let stage = Stage::new();
    for name in ["old-1", "old-2", "old-3"] {
        stage.admin.create_project(name, false).await;
    }
    stage.sql("UPDATE audit_log SET at = at - 90000000000").await;
    stage.admin.create_project("old-not", false).await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_go_when_an_administrator_says_so() {
    let stage = history().await;
    let dry = purge(&stage, "create_project", true).await;
    assert_eq!((&dry["job_status"], &dry["job_kind"]), (&json!("Success"), &json!("MANUAL")));
    assert_eq!(dry["job_name"], "PURGE_AUDIT_LOG");
    assert_eq!(dry["schedule"]["type"], "Manual");
    let parameters: Value = serde_json::from_str(dry["job_parameters"].as_str().unwrap()).unwrap();
    // `library` is as old.
    assert_eq!(parameters["purged"], 4, "{parameters}");
    assert_eq!(projects_in_log(&stage).await, 4);
    purge(&stage, "", false).await;
    purge(&stage, "delete_project", false).await;
    purge(&stage, "create_artifact,delete_artifact,pull_artifact", false).await;
    assert_eq!(projects_in_log(&stage).await, 4, "nothing was chosen that is there");
    let dry = purge(&stage, "other", true).await;
    let parameters: Value = serde_json::from_str(dry["job_parameters"].as_str().unwrap()).unwrap();
    assert!(parameters["purged"].as_i64().unwrap() >= 4, "{parameters}");
    let done = purge(&stage, "create_project,login_user", false).await;
    assert_eq!(done["job_status"], "Success");
    assert_eq!(projects_in_log(&stage).await, 1);
    assert_eq!(stage.events("q=operation%3Dcreate,resource%3Dadmin").await.len(), 1);

    let answer = stage.admin.get(PURGES).await;
    assert_eq!(header(&answer, "x-total-count"), "6");
    let history: Vec<Value> = answer.json().await.unwrap();
    assert_eq!(history[0]["id"], done["id"], "the newest first");
    let id = done["id"].as_i64().unwrap();
    let log = stage.admin.get(&format!("{PURGES}/{id}/log")).await;
    assert!(header(&log, "content-type").starts_with("text/plain"));
    let log = log.text().await.unwrap();
    assert!(log.contains("Purge audit job start"), "{log}");
    assert!(log.contains("4 rows of audit logs older than 24 hours deleted"), "{log}");
    // Stopping what has ended changes nothing.
    let answer = stage.admin.send("PUT", &format!("{PURGES}/{id}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(ended(&stage, &format!("{PURGES}/{id}")).await["job_status"], "Success");
    for (path, status) in [("/999999", 404), ("/999999/log", 404), ("/x", 422)] {
        let answer = stage.admin.get(&format!("{PURGES}{path}")).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    for q in ["q=log%3D~x", "q=parameters%3D~x", "sort=job"] {
        assert_eq!(stage.admin.get(&format!("{PURGES}?{q}")).await.status(), 400, "{q}");
    }
    assert_eq!(stage.events("q=operation%3Drun,resource_type%3Dpurge").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_purges_when_its_time_has_come_and_once() {
    let mut stage = history().await;
    let empty = stage.admin.get(SCHEDULE).await;
    assert_eq!((empty.status().as_u16(), empty.text().await.unwrap()), (200, String::new()));
    let daily = json!({"type": "Daily", "cron": "0 0 0 * * *"});
    let answer = ask(&stage, daily, "create_project", false).await;
    assert_eq!(answer.status(), 201);
    let found: Value = stage.admin.get(SCHEDULE).await.json().await.unwrap();
    assert_eq!(
        (&found["schedule"]["type"], &found["job_kind"]),
        (&json!("Daily"), &json!("0 0 0 * * *"))
    );
    let next = found["schedule"]["next_scheduled_time"].as_str().unwrap().to_owned();
    assert!(next.ends_with("T00:00:00.000Z") && next.starts_with("20"), "{next}");
    assert_eq!(projects_in_log(&stage).await, 4);
    // Its time passes while the server is down.
    stage.server.kill();
    stage.sql("UPDATE schedule SET next_at = 1").await;
    stage.server.start();
    until("the purge", async || projects_in_log(&stage).await == 1).await;
    let history: Vec<Value> = stage.admin.get(PURGES).await.json().await.unwrap();
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!(
        (&history[0]["job_kind"], &history[0]["schedule"]["type"]),
        (&json!("SCHEDULE"), &json!("Schedule"))
    );
    let found: Value = stage.admin.get(SCHEDULE).await.json().await.unwrap();
    assert!(found["schedule"]["next_scheduled_time"].as_str().unwrap() >= next.as_str(), "{found}");
    let body = json!({"schedule": {"type": "None"}});
    let answer = stage.admin.send("PUT", SCHEDULE).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(stage.admin.get(SCHEDULE).await.text().await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_schedule_is_refused_and_changes_nothing() {
    let stage = Stage::new();
    let good = json!({"audit_retention_hour": 24, "include_event_types": "create_artifact"});
    for (body, status) in [
        (json!({}), 400),
        (json!({"parameters": good}), 400),
        (json!({"schedule": {"type": "Daily"}, "parameters": good}), 400),
        (json!({"schedule": {"type": "Custom", "cron": "* * * * *"}, "parameters": good}), 400),
        (json!({"schedule": {"type": "Custom", "cron": "* * * * * *"}, "parameters": good}), 400),
        (json!({"schedule": {"type": "Yearly", "cron": "0 0 0 * * *"}, "parameters": good}), 422),
        (json!({"schedule": {"type": "Daily", "cron": "0 0 0 * * *"}}), 400),
        (json!({"schedule": {"type": "Manual"}, "parameters": {"audit_retention_hour": 1}}), 400),
        (json!([]), 422),
    ] {
        for method in ["POST", "PUT"] {
            let answer = stage.admin.send(method, SCHEDULE).json(&body).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{method} {body}");
        }
    }
    assert_eq!(stage.admin.get(SCHEDULE).await.text().await.unwrap(), "");
    assert_eq!(stage.admin.get(PURGES).await.text().await.unwrap(), "[]");
}
