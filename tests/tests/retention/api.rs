//! The API in Harbor's words: policies, their rules, executions and tasks.

use roadstead_tests::api::{API, timeless};
use roadstead_tests::http::{error_code, header};
use serde_json::{Value, json};

use super::stage::{
    ended, execute, last, latest, make, policy, project_id, repositories, rule, setup, tags, task,
    until,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_are_made_of_is_told_as_harbor_tells_it() {
    let server = setup().start();
    let found = server.admin().read("/retentions/metadatas").await;
    let templates: Vec<Value> = found["templates"].as_array().unwrap().clone();
    let names: Vec<&str> =
        templates.iter().map(|template| template["rule_template"].as_str().unwrap()).collect();
    let expected =
        ["latestPushedK", "latestPulledN", "nDaysSinceLastPush", "nDaysSinceLastPull", "always"];
    assert_eq!(names, expected);
    assert_eq!(templates[0]["params"], json!([{"type": "int", "unit": "COUNT", "required": true}]));
    assert_eq!(templates[2]["params"][0]["unit"], "DAYS");
    assert_eq!((&templates[4]["params"], &templates[4]["action"]), (&json!([]), &json!("retain")));
    let decorations = |what: &str| found[what][0]["decorations"].clone();
    assert_eq!(decorations("scope_selectors"), json!(["repoMatches", "repoExcludes"]));
    assert_eq!(decorations("tag_selectors"), json!(["matches", "excludes"]));
    assert_eq!(found["tag_selectors"][0]["kind"], "doublestar");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_made_read_changed_and_deleted_and_the_project_knows_it() {
    let server = setup().start();
    let admin = server.admin();
    admin.create_project("team", false).await;
    let id = project_id(&admin, "team").await;
    let mut body =
        policy(id, &[latest(3), rule("always", json!({}), tags("matches", "v*", false))]);
    body["trigger"]["settings"]["cron"] = "0 0 0 * * *".into();
    let (path, answer) = admin.make("/retentions", &body).await;
    assert_eq!(answer, Value::Null);
    let number = last(&path);
    let metadata = admin.read(&format!("/projects/{id}/metadatas/retention_id")).await;
    assert_eq!(metadata, json!({"retention_id": number.to_string()}));
    let project = admin.read("/projects/team").await;
    assert_eq!(project["metadata"]["retention_id"], number.to_string());

    body["id"] = number.into();
    body["rules"][1]["id"] = 1.into();
    body["rules"][1].as_object_mut().unwrap().remove("params");
    body["delete_when_nothing_matches"] = false.into();
    assert_eq!(admin.read(&path).await, body);
    let of_policy = |all: &Value| {
        let all = all.as_array().unwrap().clone();
        all.into_iter().find(|one| one["vendor_type"] == "RETENTION")
    };
    let scheduled = of_policy(&admin.read("/schedules").await).expect("a schedule");
    assert_eq!(
        (&scheduled["vendor_id"], &scheduled["cron"]),
        (&number.into(), &json!("0 0 0 * * *"))
    );

    body["rules"] = json!([latest(1)]);
    body["trigger"]["settings"]["cron"] = "".into();
    body["delete_when_nothing_matches"] = true.into();
    admin.change("PUT", &path, &body).await;
    assert_eq!(admin.read(&path).await, body);
    assert_eq!(of_policy(&admin.read("/schedules").await), None);
    body["scope"]["ref"] = 1.into();
    assert_eq!(admin.status("PUT", &path, &body).await, 400, "another project");

    assert_eq!(admin.status("DELETE", &path, &Value::Null).await, 200);
    assert_eq!(admin.get(&format!("{API}{path}")).await.status(), 404);
    let metadata = admin.read(&format!("/projects/{id}/metadatas/retention_id")).await;
    assert_eq!(metadata, json!({}));
    let again = make(&admin, "team", &[]).await;
    assert!(last(&again) > number, "an id is not given again");
    assert_eq!(admin.delete(&format!("{API}/projects/team")).await.status(), 200);
    assert_eq!(admin.get(&format!("{API}{again}")).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_harbor_refuses_is_refused() {
    let server = setup().start();
    let admin = server.admin();
    admin.create_project("team", false).await;
    let id = project_id(&admin, "team").await;
    let good = policy(id, &[latest(3)]);
    let changed = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect("a place") = value;
        body
    };
    let selector = |word: &str, value: &str| {
        let mut one = tags("matches", "**", true);
        one[word] = value.into();
        one
    };
    for (body, status) in [
        (changed("/scope/level", json!("system")), 400),
        (changed("/scope", Value::Null), 400),
        (changed("/scope/ref", json!(4711)), 400),
        (changed("/algorithm", json!("and")), 400),
        (changed("/trigger/kind", json!("Event")), 400),
        (changed("/trigger/settings/cron", json!("* * * * * *")), 400),
        (changed("/trigger/settings/cron", json!("daily")), 400),
        (changed("/rules", (0..16).map(latest).collect()), 400),
        (changed("/rules", json!([latest(1), latest(2), latest(1)])), 409),
        (changed("/rules/0/template", json!("newest")), 400),
        (changed("/rules/0/tag_selectors/0", selector("pattern", "{a")), 400),
        (changed("/rules/0/tag_selectors/0", selector("decoration", "match")), 400),
        (changed("/rules/0/tag_selectors/0", selector("kind", "label")), 400),
        (changed("/rules/0/scope_selectors", json!({"repo": []})), 400),
        (changed("/rules/0/tag_selectors", json!("all")), 422),
    ] {
        let answer = admin.call("POST", "/retentions", &body).await;
        assert_eq!(answer.status(), status, "{body}: {}", answer.text().await.unwrap());
    }
    let body = changed("/rules", json!([latest(1), latest(1)]));
    let twice = admin.call("POST", "/retentions", &body);
    let text = twice.await.text().await.unwrap();
    assert!(text.contains("CONFLICT") && text.contains("is conflict with rule"), "{text}");

    let path = admin.make("/retentions", &good).await.0;
    let second = admin.call("POST", "/retentions", &good).await;
    assert_eq!(second.status(), 400);
    let text = second.text().await.unwrap();
    assert!(text.contains("already has retention policy"), "{text}");
    assert_eq!(admin.status("DELETE", &path, &Value::Null).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_answered_as_harbor_answers_it() {
    let server = setup().start();
    let admin = server.admin();
    admin.create_project("team", false).await;
    admin.push_image("team/app", "v1", b"one").await;
    let good = policy(project_id(&admin, "team").await, &[latest(3)]);
    let path = admin.make("/retentions", &good).await.0;
    let executions = format!("{path}/executions");
    let execution = execute(&admin, &path, json!({"dry_run": true})).await;
    for (method, path, body, status) in [
        ("GET", "/retentions/4711".to_owned(), Value::Null, 404),
        ("PUT", "/retentions/4711".to_owned(), good.clone(), 400),
        ("DELETE", "/retentions/4711".to_owned(), Value::Null, 400),
        ("GET", "/retentions/x".to_owned(), Value::Null, 422),
        ("POST", "/retentions/4711/executions".to_owned(), json!({}), 400),
        ("GET", "/retentions/4711/executions".to_owned(), Value::Null, 400),
        ("PATCH", execution.clone(), json!({"action": "pause"}), 400),
        ("PATCH", format!("{executions}/4711"), json!({"action": "stop"}), 404),
        ("GET", format!("{executions}/4711/tasks"), Value::Null, 404),
        ("GET", format!("{execution}/tasks/4711"), Value::Null, 404),
        ("GET", format!("{execution}/tasks/x"), Value::Null, 422),
        ("POST", executions.clone(), json!({"dry_run": "yes"}), 422),
        // Harbor's clients send this for no body.
        ("POST", executions.clone(), Value::Null, 201),
    ] {
        assert_eq!(admin.status(method, &path, &body).await, status, "{method} {path} {body}");
    }
    let refused = admin.status("DELETE", "/projects/team/metadatas/retention_id", &Value::Null);
    assert_eq!(refused.await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_and_tasks_are_listed_as_harbor_lists_them() {
    let server = setup().start();
    let admin = server.admin();
    for name in ["library/a", "library/deep/b"] {
        admin.push_image(name, "v1", name.as_bytes()).await;
    }
    admin.push_image("library/other", "v1", b"not covered").await;
    let mut covering = latest(1);
    covering["scope_selectors"]["repository"] =
        json!([repositories("repoMatches", "{a,deep/**}"), repositories("repoExcludes", "other")]);
    let mut disabled = latest(2);
    disabled["disabled"] = true.into();
    let path = make(&admin, "library", &[covering, disabled]).await;
    let executions = format!("{path}/executions");
    let body = json!({"dry_run": true});
    let answer = admin.call("POST", &executions, &body).await;
    assert_eq!(answer.status(), 201);
    let location = header(&answer, "location");
    let execution = location.strip_prefix(API).unwrap().to_owned();
    assert!(execution.starts_with(&format!("{executions}/")), "{location}");
    ended(&admin, &path, last(&execution)).await;
    execute(&admin, &path, json!({})).await;

    let answer = admin.get(&format!("{API}{executions}?page_size=1")).await;
    assert_eq!(header(&answer, "x-total-count"), "2");
    assert!(header(&answer, "link").contains("rel=\"next\""));
    let all = timeless(admin.read(&executions).await);
    let expected = |id: i64| {
        json!({
            "id": id, "policy_id": last(&path), "start_time": "T", "end_time": "T",
            "status": "Success", "trigger": "MANUAL",
        })
    };
    let mut dry = expected(last(&execution));
    dry["dry_run"] = true.into();
    assert_eq!(all[1], dry);
    assert_eq!(all[0], expected(all[0]["id"].as_i64().unwrap()), "the newest first, and wet");

    let answer = admin.get(&format!("{API}{execution}/tasks")).await;
    assert_eq!(header(&answer, "x-total-count"), "2");
    let found = timeless(answer.json().await.unwrap());
    let names: Vec<&str> =
        found.as_array().unwrap().iter().map(|t| t["repository"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "deep/b"], "not the one that no rule in force covers");
    let first = &found[0];
    assert_eq!(first["execution_id"].as_i64(), Some(last(&execution)));
    assert_eq!((&first["status"], &first["status_code"]), (&json!("Success"), &json!(3)));
    assert_eq!((&first["total"], &first["retained"]), (&json!(1), &json!(1)));
    let (_, log) = task(&admin, &execution, "a").await;
    let titles: Vec<&str> = log.lines().nth(1).unwrap().split('|').map(str::trim).collect();
    let expected = "Digest Tag Kind Labels PushedTime PulledTime CreatedTime Retention";
    assert_eq!(titles.join(" "), expected);
    assert!(log.contains("0001/01/01 00:00:00"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_waits_is_stopped_and_not_too_many_wait() {
    let server = setup().start();
    let admin = server.admin();
    admin.push_image("library/a", "v1", b"one").await;
    admin.push_image("library/a", "v2", b"two").await;
    let path = make(&admin, "library", &[latest(1)]).await;
    let pause = json!({"action": "pause"});
    admin.change("PUT", "/jobservice/queues/RETENTION", &pause).await;
    let executions = format!("{path}/executions");
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.push(admin.make(&executions, &json!({})).await.0);
    }
    let many = admin.call("POST", &executions, &json!({})).await;
    assert_eq!((many.status().as_u16(), error_code(many).await.as_str()), (409, "CONFLICT"));
    for one in &asked {
        admin.change("PATCH", one, &json!({"action": "stop"})).await;
    }
    let stopped = admin.read(&format!("{executions}?page_size=100")).await;
    let stopped = stopped.as_array().unwrap();
    assert!(stopped.iter().all(|one| one["status"] == "Stopped"), "{stopped:?}");
    admin.change("PUT", "/jobservice/queues/RETENTION", &json!({"action": "resume"})).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(super::stage::tags_of(&admin, "library/a").await, "v1 v2");
    admin.change("PATCH", &asked[0], &json!({"action": "stop"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires() {
    let server = setup().start();
    let admin = server.admin();
    for tag in ["v1", "v2"] {
        admin.push_image("library/a", tag, tag.as_bytes()).await;
    }
    super::stage::age(&server, "v1", 2).await;
    let mut body = policy(project_id(&admin, "library").await, &[latest(1)]);
    body["trigger"]["settings"]["cron"] = "0 0 0 * * *".into();
    let path = admin.make("/retentions", &body).await.0;
    let executions = format!("{path}/executions");
    assert_eq!(admin.read(&executions).await, json!([]));
    server.sql("UPDATE schedule SET next_at = 1").await;
    until("the schedule fired", async || admin.read(&executions).await[0]["status"] == "Success")
        .await;
    assert_eq!(admin.read(&executions).await[0]["trigger"], "SCHEDULE");
    assert_eq!(super::stage::tags_of(&admin, "library/a").await, "v2");
}
