//! Tags of artifacts.

use serde_json::{Value, json};

use super::stage::{APP, column, push_image, started};

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_made_listed_and_deleted() {
    let server = started();
    let admin = server.admin();
    let (_, digest) = push_image(&admin, "v1", "amd64", b"one").await;
    push_image(&admin, "other", "amd64", b"two").await;
    let tags = format!("{APP}/{digest}/tags");
    for (name, expected) in
        [("v2", 201), ("v2", 409), ("other", 409), ("-x", 400), ("", 400), ("a/b", 400)]
    {
        let status = admin.status("POST", &tags, &json!({"name": name})).await;
        assert_eq!(status, expected, "{name:?}");
    }
    let pulled = admin.head("/v2/library/app/manifests/v2").await;
    assert_eq!(roadstead_tests::http::header(&pulled, "docker-content-digest"), digest);
    let listed = admin.read(&format!("{tags}?sort=name")).await;
    assert_eq!(column(&listed, "name"), ["v1", "v2"]);
    let listed = admin.read(&format!("{tags}?q=name%3D~2")).await;
    assert_eq!(column(&listed, "name"), ["v2"]);
    assert_eq!(admin.status("DELETE", &format!("{tags}/other"), &Value::Null).await, 404);
    for name in ["v1", "v2"] {
        admin.change("DELETE", &format!("{tags}/{name}"), &json!({})).await;
    }
    let left = admin.read(&format!("{APP}/{digest}")).await;
    assert_eq!(left["tags"], Value::Null, "the artifact stays");
    assert_eq!(admin.status("DELETE", &format!("{tags}/v1"), &Value::Null).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_tag_keeps_its_artifact() {
    let server = started();
    let admin = server.admin();
    let rule = json!({
        "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "v*"}],
        "scope_selectors": {"repository":
            [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]},
        "action": "immutable", "template": "immutable_template",
    });
    admin.make("/projects/library/immutabletagrules", &rule).await;
    let (_, digest) = push_image(&admin, "latest", "amd64", b"one").await;
    let tags = format!("{APP}/{digest}/tags");
    assert_eq!(admin.status("POST", &tags, &json!({"name": "v1"})).await, 201);
    let listed = admin.read(&format!("{tags}?q=name%3Dv1&with_immutable_status=true")).await;
    assert_eq!(listed[0]["immutable"], true);
    for path in [format!("{tags}/v1"), format!("{APP}/{digest}")] {
        let refused = admin.call("DELETE", &path, &Value::Null).await;
        assert_eq!(refused.status(), 412);
        assert_eq!(roadstead_tests::http::error_code(refused).await, "PRECONDITION");
    }
    admin.change("DELETE", &format!("{tags}/latest"), &json!({})).await;
    assert_eq!(column(&admin.read(&tags).await, "name"), ["v1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what_with_artifacts_follows_the_roles() {
    let server = started();
    let admin = server.admin();
    admin.create_project("team", false).await;
    let team = |rest: &str| format!("/projects/team/repositories/app/artifacts{rest}");
    admin.push_image("team/app", "v1", b"one").await;
    for (name, role) in [("guest", 3), ("developer", 2), ("maintainer", 4)] {
        admin.create_user(name).await;
        let member = json!({"role_id": role, "member_user": {"username": name}});
        admin.make("/projects/team/members", &member).await;
    }
    admin.create_user("stranger").await;
    for (name, read, tag, delete) in [
        ("stranger", 403, 403, 403),
        ("guest", 200, 403, 403),
        ("developer", 200, 201, 403),
        ("maintainer", 200, 201, 200),
    ] {
        let person = server.person(name, "Password-1");
        let status = async |method: &str, rest: &str, body: Value| {
            person.status(method, &team(rest), &body).await
        };
        assert_eq!(status("GET", "", Value::Null).await, read, "{name}");
        assert_eq!(status("GET", "/v1", Value::Null).await, read, "{name}");
        assert_eq!(status("GET", "/v1/accessories", Value::Null).await, read, "{name}");
        assert_eq!(status("POST", "/v1/tags", json!({"name": name})).await, tag, "{name}");
        assert_eq!(
            status("DELETE", &format!("/v1/tags/{name}"), Value::Null).await,
            delete,
            "{name}"
        );
    }
    assert_eq!(server.nobody().status("GET", &team(""), &Value::Null).await, 401);
}
