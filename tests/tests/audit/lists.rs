//! Who reads which part of the log, and how it is narrowed.

use roadstead_tests::http::{Person, error_code, header};
use serde_json::{Value, json};

use crate::stage::Stage;

async fn list(person: &Person, path: &str) -> Vec<Value> {
    let answer = person.get(&format!("/api/v2.0{path}")).await;
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

fn resources(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["resource"].as_str().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_the_log_of_the_projects_where_they_may() {
    let stage = Stage::new();
    for name in ["alice", "bob", "carol"] {
        stage.admin.create_user(name).await;
    }
    let person = |name| stage.server.person(name, "Password-1");
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    alice.create_project("alices", false).await;
    alice.create_project("alices-too", true).await;
    bob.create_project("bobs", true).await;
    assert_eq!(resources(&list(&alice, "/auditlog-exts").await), ["alices-too", "alices"]);
    assert_eq!(resources(&list(&alice, "/audit-logs").await), ["alices-too", "alices"]);
    assert_eq!(resources(&list(&bob, "/auditlog-exts").await), ["bobs"]);
    assert_eq!(list(&carol, "/auditlog-exts").await, Vec::<Value>::new());
    assert_eq!(resources(&list(&alice, "/projects/alices/auditlog-exts").await), ["alices"]);
    assert_eq!(resources(&list(&alice, "/projects/alices/logs").await), ["alices"]);
    // A condition narrows what is visible and opens nothing.
    assert_eq!(list(&alice, "/auditlog-exts?q=resource%3Dbobs").await, Vec::<Value>::new());
    let everything = list(&stage.admin, "/auditlog-exts?page_size=0").await;
    assert_eq!(resources(&everything)[..3], ["bobs", "alices-too", "alices"]);
    for (caller, path, status) in [
        (&stage.server.nobody(), "/auditlog-exts", 401),
        (&stage.server.nobody(), "/audit-logs", 401),
        (&stage.server.nobody(), "/projects/bobs/logs", 401),
        (&alice, "/projects/bobs/logs", 403),
        (&alice, "/projects/bobs/auditlog-exts", 403),
        (&alice, "/projects/nothing/auditlog-exts", 403),
        (&stage.admin, "/projects/nothing/auditlog-exts", 404),
        (&alice, "/auditlog-exts/events", 403),
    ] {
        let answer = caller.get(&format!("/api/v2.0{path}")).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_shapes_have_harbors_fields_and_the_new_one_ours() {
    let stage = Stage::new();
    stage.admin.create_project("shown", false).await;
    let [old] = &list(&stage.admin, "/audit-logs?q=resource%3Dshown").await[..] else {
        panic!("not one event");
    };
    let keys: Vec<&String> = old.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "op_time", "operation", "resource", "resource_type", "username"]);
    stage.admin.push_image("shown/app", "v1", b"a layer").await;
    let last = list(&stage.admin, "/projects/shown/logs?sort=-creation_time&page_size=1").await;
    let what = ["resource", "resource_type", "operation"].map(|field| &last[0][field]);
    assert_eq!(what, ["shown/app:v1", "artifact", "create"], "without the digest");
    let [new] = &list(&stage.admin, "/auditlog-exts?q=resource%3Dshown").await[..] else {
        panic!("not one event");
    };
    let keys: Vec<&String> = new.as_object().unwrap().keys().collect();
    let expected = [
        "address",
        "id",
        "op_time",
        "operation",
        "operation_description",
        "operation_result",
        "project_id",
        "request_id",
        "resource",
        "resource_type",
        "username",
    ];
    assert_eq!(keys, expected);
    assert!(old["op_time"].as_str().unwrap().ends_with('Z'), "{old}");
    // What has no request has no address.
    let [first] =
        &list(&stage.admin, "/auditlog-exts?q=username%3Dsystem,resource%3Dadmin").await[..]
    else {
        panic!("not one event");
    };
    assert!(first.get("address").is_none() && first.get("project_id").is_none(), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_ordered_and_paged() {
    let stage = Stage::new();
    for n in 1..=25 {
        stage.admin.create_project(&format!("page-{n:02}"), false).await;
    }
    let admin = &stage.admin;
    let found = list(admin, "/auditlog-exts?q=resource%3D~PAGE-&sort=resource&page_size=10").await;
    assert_eq!(resources(&found)[..2], ["page-01", "page-02"]);
    let answer = admin.get("/api/v2.0/auditlog-exts?q=resource%3D~page-&page=2").await;
    assert_eq!(header(&answer, "x-total-count"), "25");
    let link = header(&answer, "link");
    assert!(link.contains("rel=\"prev\"") && link.contains("rel=\"next\""), "{link}");
    assert!(link.contains("/api/v2.0/auditlog-exts?"), "{link}");
    let second: Vec<Value> = answer.json().await.unwrap();
    assert_eq!((second.len(), resources(&second)[0]), (10, "page-15"), "the newest come first");
    let time = second[0]["op_time"].as_str().unwrap().to_owned();
    let id = second[0]["id"].as_i64().unwrap();
    for (q, count) in [
        ("resource=page-07".to_owned(), 1),
        ("resource={page-07 page-08}".to_owned(), 2),
        ("operation=create,resource_type=project,resource=~page".to_owned(), 25),
        ("username=admin,operation_result=true,resource=~page".to_owned(), 25),
        ("operation_result=false,resource=~page".to_owned(), 0),
        (format!("op_time=[{time}~],resource=~page"), 11),
        ("op_time=[2020-01-01T00:00:00~2020-01-02T00:00:00]".to_owned(), 0),
        (format!("id={id}"), 1),
        ("address=127.0.0.1,resource=~page".to_owned(), 25),
        ("operation_description=~changed".to_owned(), 0),
    ] {
        let answer = admin
            .send("GET", "/api/v2.0/auditlog-exts")
            .query(&[("q", q.as_str()), ("page_size", "100")])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{q}");
        // What happened in the same millisecond cannot be told apart.
        let total: usize = header(&answer, "x-total-count").parse().unwrap();
        let same = q.starts_with(&format!("op_time=[{time}"));
        assert!(total == count || (same && total == count + 1), "{q}: {total}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_does_not_show_cannot_be_guessed_through_it() {
    let stage = Stage::new();
    let admin = &stage.admin;
    for query in [
        "q=pending%3D1",
        "q=principal_id%3D1",
        "q=password_hash%3D~a",
        "q=a.actor%3Dx",
        "q=x",
        "q=op_time%3Dyesterday",
        "q=id%3Dx",
        "sort=pending",
        "sort=principal_id",
        "sort=1",
    ] {
        for list in ["auditlog-exts", "audit-logs", "projects/library/logs"] {
            let answer = admin.get(&format!("/api/v2.0/{list}?{query}")).await;
            assert_eq!(answer.status(), 400, "{list} {query}");
            assert_eq!(error_code(answer).await, "BAD_REQUEST");
        }
    }
    let answer = admin.get("/api/v2.0/auditlog-exts?page_size=101").await;
    assert_eq!(answer.status(), 422);
    let types = list(admin, "/auditlog-exts/events").await;
    assert!(types.contains(&json!({"event_type": "create_artifact"})), "{types:?}");
}
