//! The configuration, purges, logins.

use reqwest::redirect::Policy;
use roadstead_tests::ADMIN_PASSWORD;
use roadstead_tests::http::header;
use serde_json::json;

use crate::stage::Stage;

pub async fn drive(stage: &Stage) {
    configuration(stage).await;
    purges(stage).await;
    collections(stage).await;
    jobs(stage).await;
    logins(stage).await;
}

async fn configuration(stage: &Stage) {
    let change = |days: i64| {
        let body = json!({"robot_token_duration": days});
        stage.admin.send("PUT", "/api/v2.0/configurations").json(&body)
    };
    let acted = stage.act(change(31), 200).await;
    let event = acted.left("admin", "update", "configuration", "configuration");
    assert_eq!(event["operation_description"], "changed robot_token_duration");
    stage.act(change(31), 200).await.left_nothing();
}

async fn jobs(stage: &Stage) {
    let act = |job: &str, action: &str| {
        let path = format!("/api/v2.0/jobservice/queues/{job}");
        stage.admin.send("PUT", &path).json(&json!({"action": action}))
    };
    let acted = stage.act(act("purge_audit_log", "pause"), 200).await;
    acted.left("admin", "pause", "job_queue", "PURGE_AUDIT_LOG");
    stage.act(act("PURGE_AUDIT_LOG", "pause"), 200).await.left_nothing();
    let body = json!({
        "schedule": {"type": "Manual"},
        "parameters": {"audit_retention_hour": 24, "include_event_types": "", "dry_run": true},
    });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = stage.admin.create("/api/v2.0/system/purgeaudit/schedule", &body).await;
        ids.push(id);
    }
    let one = stage.admin.send("PUT", &format!("/api/v2.0/jobservice/jobs/{}", ids[0]));
    stage.act(one, 200).await.left("admin", "stop", "job", &format!("execution {}", ids[0]));
    let acted = stage.act(act("all", "stop"), 200).await;
    acted.left("admin", "stop", "job_queue", "all");
    let acted = stage.act(act("all", "resume"), 200).await;
    acted.left("admin", "resume", "job_queue", "all");
    let list = |items: serde_json::Value| {
        stage.admin.send("PUT", "/api/v2.0/system/CVEAllowlist").json(&json!({"items": items}))
    };
    let acted = stage.act(list(json!([{"cve_id": "CVE-2026-1"}])), 200).await;
    acted.left("admin", "update", "configuration", "cve_allowlist");
}

async fn purges(stage: &Stage) {
    const SCHEDULE: &str = "/api/v2.0/system/purgeaudit/schedule";
    let ask = |method: &str, kind: &str, cron: &str| {
        let body = json!({
            "schedule": {"type": kind, "cron": cron},
            "parameters": {"audit_retention_hour": 24, "include_event_types": "", "dry_run": true},
        });
        stage.admin.send(method, SCHEDULE).json(&body)
    };
    let acted = stage.act(ask("POST", "Weekly", "0 0 0 * * 0"), 201).await;
    acted.left("admin", "create", "purge_schedule", "0 0 0 * * 0");
    let acted = stage.act(ask("PUT", "Daily", "0 0 0 * * *"), 200).await;
    acted.left("admin", "update", "purge_schedule", "0 0 0 * * *");
    let acted = stage.act(ask("PUT", "None", ""), 200).await;
    acted.left("admin", "delete", "purge_schedule", "");
    stage.act(ask("PUT", "None", ""), 200).await.left_nothing();
    let acted = stage.act(ask("POST", "Manual", ""), 201).await;
    let one = header(&acted.answer, "location");
    let id = one.rsplit('/').next().unwrap();
    acted.left("admin", "create", "purge", &format!("execution {id}"));
    // It may have ended by now, and then there is nothing to stop.
    let stopped = stage.act(stage.admin.send("PUT", &one), 200).await;
    assert!(stopped.events.len() <= 1, "{:?}", stopped.events);
}

async fn collections(stage: &Stage) {
    const SCHEDULE: &str = "/api/v2.0/system/gc/schedule";
    let ask = |method: &str, kind: &str, cron: &str| {
        let body = json!({
            "schedule": {"type": kind, "cron": cron}, "parameters": {"dry_run": true},
        });
        stage.admin.send(method, SCHEDULE).json(&body)
    };
    let acted = stage.act(ask("POST", "Weekly", "0 0 0 * * 0"), 201).await;
    acted.left("admin", "create", "gc_schedule", "0 0 0 * * 0");
    let acted = stage.act(ask("PUT", "Daily", "0 0 0 * * *"), 200).await;
    acted.left("admin", "update", "gc_schedule", "0 0 0 * * *");
    let acted = stage.act(ask("PUT", "None", ""), 200).await;
    acted.left("admin", "delete", "gc_schedule", "");
    let acted = stage.act(ask("POST", "Manual", ""), 201).await;
    let one = header(&acted.answer, "location");
    let id = one.rsplit('/').next().unwrap();
    acted.left("admin", "create", "gc", &format!("execution {id}"));
    // It may have ended by now, and then there is nothing to stop.
    let stopped = stage.act(stage.admin.send("PUT", &one), 200).await;
    assert!(stopped.events.len() <= 1, "{:?}", stopped.events);
}

async fn logins(stage: &Stage) {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let log_in = |name: &str, password: &str| {
        client
            .post(stage.server.url("/c/login"))
            .form(&[("principal", name), ("password", password)])
    };
    stage
        .act(log_in("admin", "Wrong-1234"), 401)
        .await
        .left_refusal("admin", "login", "user", "admin");
    // A name that is nobody's may be a mistyped password, and is not written.
    let acted = stage.act(log_in("nobody", "Wrong-1234"), 401).await;
    acted.left_refusal("unknown", "login", "user", "unknown");
    let acted = stage.act(log_in("admin", ADMIN_PASSWORD), 200).await;
    acted.left("admin", "login", "user", "admin");
    let cookie = header(&acted.answer, "set-cookie");
    let cookie = cookie.split(';').next().unwrap();
    let request = client.get(stage.server.url("/c/log_out")).header("cookie", cookie);
    stage.act(request, 200).await.left("admin", "logout", "user", "admin");
    let path = "/service/token?service=harbor-registry&scope=repository:audited/app:pull,push";
    stage.act(stage.admin.send("GET", path), 200).await.left_nothing();
    let form = [
        ("grant_type", "password"),
        ("service", "harbor-registry"),
        ("client_id", "test"),
        ("access_type", "offline"),
        ("username", "admin"),
        ("password", ADMIN_PASSWORD),
    ];
    let request = stage.server.nobody().send("POST", "/service/token").form(&form);
    stage.act(request, 200).await.left_nothing();
}
