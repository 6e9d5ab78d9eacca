//! Who may look at retention, and who may change it.

use roadstead_tests::api::API;
use roadstead_tests::cast::{PASSWORD, ROLES};
use serde_json::{Value, json};

use super::stage::{execute, latest, make, policy, project_id, setup};

#[tokio::test(flavor = "multi_thread")]
async fn retention_is_for_developers_of_the_project_and_to_others_there_is_none() {
    let server = setup().start();
    let admin = server.admin();
    admin.create_user("stranger").await;
    for (project, private) in [("team", false), ("other", true)] {
        admin.create_project(project, private).await;
    }
    admin.push_image("team/app", "v1", b"one").await;
    let path = make(&admin, "team", &[latest(1)]).await;
    let execution = execute(&admin, &path, json!({})).await;
    let tasks = admin.read(&format!("{execution}/tasks")).await;
    let log = format!("{execution}/tasks/{}", tasks[0]["id"]);
    let other = project_id(&admin, "other").await;
    for (name, role) in ROLES {
        admin.create_user(name).await;
        admin.add_member("team", name, role, "").await;
        let person = server.person(name, PASSWORD);
        let may = matches!(name, "project-admin" | "maintainer" | "developer");
        let expected = if may { 200 } else { 403 };
        for path in [&path, &format!("{path}/executions"), &format!("{execution}/tasks"), &log] {
            assert_eq!(
                person.get(&format!("{API}{path}")).await.status(),
                expected,
                "{name} {path}"
            );
        }
        let executions = format!("{path}/executions");
        let expected = if may { 201 } else { 403 };
        let status = person.status("POST", &executions, &json!({"dry_run": true})).await;
        assert_eq!(status, expected, "{name}");
        let status = person.status("POST", "/retentions", &policy(other, &[])).await;
        assert_eq!(status, 403, "{name} elsewhere");
    }
    let stranger = server.person("stranger", PASSWORD);
    let there = path.clone();
    for path in [&path, &format!("{path}/executions"), &log] {
        // What is there is answered as what is not.
        let missing = path.replacen(&there, "/retentions/4711", 1);
        for path in [path, &missing] {
            assert_eq!(stranger.get(&format!("{API}{path}")).await.status(), 403, "{path}");
            assert_eq!(server.nobody().get(&format!("{API}{path}")).await.status(), 401, "{path}");
        }
    }
    let unknown = policy(4711, &[]);
    assert_eq!(stranger.status("POST", "/retentions", &unknown).await, 403);
    assert_eq!(server.nobody().status("POST", "/retentions", &unknown).await, 401);

    let words = "tag-retention:read tag-retention:list";
    let robot = server.robot(&admin.project_robot("team", "reader", words).await);
    assert_eq!(robot.get(&format!("{API}{path}")).await.status(), 200);
    assert_eq!(robot.status("PUT", &path, &policy(1, &[])).await, 403);
    assert_eq!(robot.status("DELETE", &path, &Value::Null).await, 403);
}
