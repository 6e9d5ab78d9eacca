//! Labels, of a project or of all of them, in Harbor's words, and the artifacts that carry them.

use roadstead_tests::api::{API, timeless};
use roadstead_tests::cast::{PASSWORD, ROLES};
use roadstead_tests::http::{Person, error_code, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const LABELS: &str = "/labels";

/// A server with alice's projects `team`, whose id is 2, and `other`, whose id is 3; both are
/// private.
async fn teams() -> (Server, Person) {
    let server = Setup::new().start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", PASSWORD);
    for name in ["team", "other"] {
        alice.create_project(name, false).await;
    }
    (server, alice)
}

fn of_project(name: &str, project: i64) -> Value {
    json!({"name": name, "scope": "p", "project_id": project})
}

fn of_all(name: &str) -> Value {
    json!({"name": name, "scope": "g", "color": "#00FF00", "description": "What it is"})
}

fn id(path: &str) -> i64 {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
}

async fn names(person: &Person, query: &str) -> String {
    let found = person.read(&format!("{LABELS}?{query}")).await;
    let names = found.as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap());
    names.collect::<Vec<_>>().join(" ")
}

/// Where the labels of an artifact are.
fn carried(artifact: &str) -> String {
    format!("/projects/team/repositories/app/artifacts/{artifact}/labels")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_made_read_changed_and_deleted_as_in_harbor() {
    let (server, alice) = teams().await;
    let admin = server.admin();
    let (path, _) = admin.make(LABELS, &of_all("stable")).await;
    let expected = json!({
        "id": id(&path), "name": "stable", "scope": "g", "color": "#00FF00",
        "description": "What it is", "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(admin.read(&path).await), expected);
    let (path, _) = alice.make(LABELS, &of_project("stable", 2)).await;
    let expected = json!({
        "id": id(&path), "name": "stable", "scope": "p", "project_id": 2,
        "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(alice.read(&path).await), expected);
    // The project of a label of all is not read, and neither it nor the scope can be changed.
    let (other, _) =
        admin.make(LABELS, &json!({"name": "x", "scope": "g", "project_id": 99})).await;
    assert_eq!(admin.read(&other).await["project_id"], Value::Null);
    let body = json!({"name": "renamed", "color": "red", "scope": "g", "project_id": 3});
    alice.change("PUT", &path, &body).await;
    let expected = json!({
        "id": id(&path), "name": "renamed", "color": "red", "scope": "p", "project_id": 2,
        "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(alice.read(&path).await), expected);
    alice.change("DELETE", &path, &Value::Null).await;
    assert_eq!(error_code(alice.get(&format!("{API}{path}")).await).await, "NOT_FOUND");
    assert_eq!(alice.status("DELETE", &path, &Value::Null).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_label_is_refused() {
    let (server, alice) = teams().await;
    let admin = server.admin();
    admin.make(LABELS, &of_all("taken")).await;
    alice.make(LABELS, &of_project("taken", 2)).await;
    let (mine, _) = alice.make(LABELS, &of_project("mine", 2)).await;
    alice.make(LABELS, &of_project("taken", 3)).await;
    for (body, expected) in [
        (of_all("taken"), 409),
        (of_project("taken", 2), 409),
        (of_project("", 2), 400),
        (of_project(&"n".repeat(129), 2), 400),
        (of_project("a\0b", 2), 400),
        (json!({"name": "x"}), 400),
        (json!({"name": "x", "scope": "x"}), 400),
        (json!({"name": "x", "scope": "p"}), 400),
        (json!({"name": "x", "scope": "p", "project_id": -2}), 400),
        (of_project("x", 99), 404),
        (json!({"name": "x", "scope": "g", "color": "c".repeat(17)}), 400),
        (json!({"name": "x", "scope": "g", "description": "d".repeat(65_537)}), 400),
        (json!({"name": 1, "scope": "g"}), 422),
    ] {
        assert_eq!(admin.status("POST", LABELS, &body).await, expected, "{body}");
    }
    let answer = admin.send("POST", &format!("{API}{LABELS}")).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 415);
    assert_eq!(alice.status("PUT", &mine, &json!({"name": "taken"})).await, 409);
    assert_eq!(alice.status("PUT", &mine, &json!({"name": ""})).await, 400);
    assert_eq!(admin.status("GET", &format!("{LABELS}/x"), &Value::Null).await, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_of_one_scope_and_filtered_sorted_and_paged() {
    let (server, alice) = teams().await;
    let admin = server.admin();
    for name in ["b", "a", "A1"] {
        admin.make(LABELS, &of_all(name)).await;
    }
    for name in ["two", "one", "three"] {
        alice.make(LABELS, &of_project(name, 2)).await;
    }
    alice.make(LABELS, &of_project("elsewhere", 3)).await;
    for (query, expected) in [
        ("scope=g", "A1 a b"),
        ("scope=g&project_id=2", "A1 a b"),
        ("scope=g&name=a", "A1 a"),
        ("scope=g&q=name%3Da", "a"),
        ("scope=g&q=name%3D~B", "b"),
        ("scope=p&project_id=2", "one three two"),
        ("scope=p&project_id=2&sort=-id", "three one two"),
        ("scope=p&project_id=2&page=2&page_size=2", "two"),
        ("scope=p&project_id=3", "elsewhere"),
    ] {
        assert_eq!(names(&alice, query).await, expected, "{query}");
    }
    let list = alice.get(&format!("{API}/labels?scope=p&project_id=2&page_size=1")).await;
    assert_eq!(header(&list, "x-total-count"), "3");
    for (query, expected) in [
        ("", 400),
        ("scope=x", 400),
        ("scope=p", 400),
        ("scope=p&project_id=0", 400),
        ("scope=p&project_id=x", 422),
        ("scope=p&project_id=99", 403),
        ("scope=g&page_size=101", 422),
        ("scope=g&q=secret%3D1", 400),
    ] {
        let status = alice.get(&format!("{API}/labels?{query}")).await.status();
        assert_eq!(status, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_managed_by_who_may_where_they_belong() {
    let (server, alice) = teams().await;
    let admin = server.admin();
    let (everybodys, _) = admin.make(LABELS, &of_all("everybodys")).await;
    let (teams, _) = alice.make(LABELS, &of_project("teams", 2)).await;
    let list = "/labels?scope=p&project_id=2";
    for (name, role) in ROLES {
        admin.create_user(name).await;
        alice.add_member("team", name, role, "").await;
        let person = server.person(name, PASSWORD);
        let reads = if name == "limited-guest" { 403 } else { 200 };
        let changes = matches!(name, "project-admin" | "maintainer");
        assert_eq!(person.status("GET", list, &Value::Null).await, reads, "{name}");
        assert_eq!(person.status("GET", &teams, &Value::Null).await, reads, "{name}");
        let made = if changes { 201 } else { 403 };
        let status = person.status("POST", LABELS, &of_project(name, 2)).await;
        assert_eq!(status, made, "{name}");
        let status_of_change = if changes { 200 } else { 403 };
        let status = person.status("PUT", &teams, &json!({"name": "teams"})).await;
        assert_eq!(status, status_of_change, "{name}");
        for (method, path, body) in [
            ("POST", LABELS, of_all(name)),
            ("GET", &everybodys, Value::Null),
            ("PUT", &everybodys, json!({"name": "mine"})),
            ("DELETE", &everybodys, Value::Null),
        ] {
            assert_eq!(person.status(method, path, &body).await, 403, "{name} {method} {path}");
        }
    }
    let nobody = server.nobody();
    assert_eq!(names(&nobody, "scope=g").await, "everybodys");
    for path in [list, &teams, &everybodys, "/labels/99"] {
        assert_eq!(nobody.status("GET", path, &Value::Null).await, 401, "{path}");
    }
    assert_eq!(nobody.status("POST", LABELS, &of_all("x")).await, 401);
    alice.change("PUT", "/projects/team", &json!({"metadata": {"public": "true"}})).await;
    assert_eq!(names(&nobody, "scope=p&project_id=2").await, "maintainer project-admin teams");
    assert_eq!(nobody.status("GET", &teams, &Value::Null).await, 200);
    assert_eq!(nobody.status("DELETE", &teams, &Value::Null).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_carry_labels_of_their_project_and_of_all() {
    let (server, alice) = teams().await;
    let admin = server.admin();
    let (_, digest) = alice.push_image("team/app", "v1", b"a layer").await;
    let label = async |person: &Person, body: &Value| id(&person.make(LABELS, body).await.0);
    let everybodys = label(&admin, &of_all("everybodys")).await;
    let teams = label(&alice, &of_project("teams", 2)).await;
    let others = label(&alice, &of_project("others", 3)).await;
    let (by_tag, by_digest) = (carried("v1"), carried(&digest));
    for (path, body, expected) in [
        (&by_tag, json!({"id": teams}), 200),
        (&by_digest, json!({"id": teams}), 409),
        (&by_digest, json!({"id": everybodys, "name": "ignored"}), 200),
        (&by_tag, json!({"id": others}), 404),
        (&by_tag, json!({"id": 99}), 404),
        (&by_tag, json!({}), 404),
        (&carried("v2"), json!({"id": teams}), 404),
        (&carried("sha256:1"), json!({"id": teams}), 404),
        (&by_tag.replace("/app/", "/none/"), json!({"id": teams}), 404),
    ] {
        assert_eq!(alice.status("POST", path, &body).await, expected, "{path} {body}");
    }
    // A label of another project is not one that the artifact could lose.
    for (path, expected) in [
        (format!("{by_tag}/{teams}"), 200),
        (format!("{by_tag}/{teams}"), 404),
        (format!("{by_tag}/{others}"), 404),
        (format!("{by_tag}/x"), 422),
    ] {
        assert_eq!(alice.status("DELETE", &path, &Value::Null).await, expected, "{path}");
    }
    // Who deletes a label takes it from everything; what is deleted loses its labels.
    alice.change("POST", &by_tag, &json!({"id": teams})).await;
    admin.change("DELETE", &format!("/labels/{everybodys}"), &Value::Null).await;
    assert_eq!(alice.status("DELETE", &format!("{by_tag}/{everybodys}"), &Value::Null).await, 404);
    let manifest = format!("/v2/team/app/manifests/{digest}");
    assert_eq!(alice.delete(&manifest).await.status(), 202);
    alice.push_image("team/app", "v1", b"a layer").await;
    alice.change("POST", &by_tag, &json!({"id": teams})).await;
    server.assert_clean(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn developers_label_artifacts_and_guests_do_not() {
    let (server, alice) = teams().await;
    alice.push_image("team/app", "v1", b"a layer").await;
    let admin = server.admin();
    let label = id(&alice.make(LABELS, &of_project("teams", 2)).await.0);
    let all = carried("v1");
    for (name, role) in ROLES {
        admin.create_user(name).await;
        alice.add_member("team", name, role, "").await;
        let person = server.person(name, PASSWORD);
        let expected = if name.ends_with("guest") { 403 } else { 200 };
        let status = person.status("POST", &all, &json!({"id": label})).await;
        assert_eq!(status, expected, "{name}");
        let status = person.status("DELETE", &format!("{all}/{label}"), &Value::Null).await;
        assert_eq!(status, expected, "{name}");
    }
    let robot = alice.project_robot("team", "some", "artifact-label:create").await;
    let robot = server.robot(&robot);
    assert_eq!(robot.status("POST", &all, &json!({"id": label})).await, 200);
    assert_eq!(robot.status("DELETE", &format!("{all}/{label}"), &Value::Null).await, 403);
    assert_eq!(server.nobody().status("POST", &all, &json!({"id": label})).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_takes_its_labels_with_it() {
    let (server, alice) = teams().await;
    let (path, _) = alice.make(LABELS, &of_project("teams", 2)).await;
    alice.change("DELETE", "/projects/team", &Value::Null).await;
    assert_eq!(server.admin().status("GET", &path, &Value::Null).await, 404);
    alice.create_project("team", false).await;
    let project = alice.read("/projects/team").await["project_id"].as_i64().unwrap();
    assert_eq!(names(&alice, &format!("scope=p&project_id={project}")).await, "");
}
