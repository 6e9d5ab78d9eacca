//! Accounts, robots, tokens, roles and groups.

use roadstead_tests::http::header;
use serde_json::{Value, json};

use crate::stage::Stage;

pub async fn drive(stage: &Stage) {
    let user = accounts(stage).await;
    tokens(stage, &user).await;
    roles(stage).await;
    groups(stage).await;
    robots(stage).await;
    let acted = stage.act(stage.admin.send("DELETE", &user), 200).await;
    acted.left("admin", "delete", "user", "alice");
}

/// Returns the account's path.
async fn accounts(stage: &Stage) -> String {
    let body = json!({
        "username": "alice", "password": "Password-1", "realname": "Alice", "email": "a@example.com",
    });
    let request = stage.admin.send("POST", "/api/v2.0/users").json(&body);
    let acted = stage.act(request, 201).await;
    acted.left("admin", "create", "user", "alice");
    let user = header(&acted.answer, "location");
    for (path, body) in [
        ("", json!({"email": "b@example.com", "realname": "A", "comment": "c"})),
        ("/sysadmin", json!({"sysadmin_flag": true})),
        ("/sysadmin", json!({"sysadmin_flag": false})),
        ("/disabled", json!({"disabled": true})),
        ("/disabled", json!({"disabled": false})),
    ] {
        let request = stage.admin.send("PUT", &format!("{user}{path}")).json(&body);
        stage.act(request, 200).await.left("admin", "update", "user", "alice");
    }
    let request = stage.admin.send("DELETE", &format!("{user}/sessions"));
    stage.act(request, 200).await.left("admin", "logout", "user", "alice");
    let alice = stage.server.person("alice", "Password-1");
    let body = json!({"old_password": "Password-1", "new_password": "Password-2"});
    let request = alice.send("PUT", &format!("{user}/password")).json(&body);
    stage.act(request, 200).await.left("alice", "update", "user", "alice");
    user
}

async fn tokens(stage: &Stage, user: &str) {
    let alice = stage.server.person("alice", "Password-2");
    for by_owner in [true, false] {
        let access = json!([{"resource": "repository", "action": "pull"}]);
        let body = json!({
            "name": "laptop",
            "permissions": [{"kind": "project", "namespace": "library", "access": access}],
        });
        let request = alice.send("POST", "/api/v2.0/users/current/tokens").json(&body);
        let acted = stage.act(request, 201).await;
        acted.left("alice", "create", "personal_token", "laptop");
        let made: Value = acted.answer.json().await.unwrap();
        let id = &made["id"];
        let (request, actor) = if by_owner {
            (alice.send("DELETE", &format!("/api/v2.0/users/current/tokens/{id}")), "alice")
        } else {
            (stage.admin.send("DELETE", &format!("{user}/tokens/{id}")), "admin")
        };
        stage.act(request, 200).await.left(actor, "delete", "personal_token", "laptop");
    }
}

async fn roles(stage: &Stage) {
    let body = json!({
        "name": "auditor", "permissions": [{"resource": "log", "action": "list"}],
    });
    let acted = stage.act(stage.admin.send("POST", "/api/v2.0/roles").json(&body), 201).await;
    acted.left("admin", "create", "role", "auditor");
    let one = header(&acted.answer, "location");
    let acted = stage.act(stage.admin.send("PUT", &one).json(&body), 200).await;
    acted.left("admin", "update", "role", "auditor");
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "role", "auditor");
}

async fn groups(stage: &Stage) {
    let body = |name| json!({"group_name": name, "group_type": 2});
    let request = stage.admin.send("POST", "/api/v2.0/usergroups").json(&body("builders"));
    let acted = stage.act(request, 201).await;
    acted.left("admin", "create", "user_group", "builders");
    let one = header(&acted.answer, "location");
    let acted = stage.act(stage.admin.send("PUT", &one).json(&body("makers")), 200).await;
    acted.left("admin", "update", "user_group", "builders");
    let acted = stage.act(stage.admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "user_group", "makers");
}

async fn robots(stage: &Stage) {
    let admin = &stage.admin;
    let access = json!([{"resource": "audit-log", "action": "list"}]);
    let body = json!({
        "name": "reader", "level": "system", "duration": -1,
        "permissions": [{"kind": "system", "namespace": "/", "access": access}],
    });
    let acted = stage.act(admin.send("POST", "/api/v2.0/robots").json(&body), 201).await;
    acted.left("admin", "create", "robot", "reader");
    let made: Value = acted.answer.json().await.unwrap();
    let one = format!("/api/v2.0/robots/{}", made["id"]);
    // Who may read all of the log reads all of it.
    let robot = stage.server.person("robot$reader", made["secret"].as_str().unwrap());
    let seen = robot.get("/api/v2.0/auditlog-exts?q=resource%3Dreader").await;
    assert_eq!(seen.json::<Vec<Value>>().await.unwrap().len(), 1);
    let acted = stage.act(admin.send("POST", &format!("{one}/secrets")), 201).await;
    acted.left("admin", "update", "robot", "reader");
    let second: Value = acted.answer.json().await.unwrap();
    let request = admin.send("DELETE", &format!("{one}/secrets/{}", second["id"]));
    stage.act(request, 200).await.left("admin", "update", "robot", "reader");
    let request = admin.send("PATCH", &one).json(&json!({"secret": ""}));
    stage.act(request, 200).await.left("admin", "update", "robot", "reader");
    let mut body = body;
    body["name"] = "robot$reader".into();
    body["disable"] = true.into();
    let request = admin.send("PUT", &one).json(&body);
    stage.act(request, 200).await.left("admin", "update", "robot", "reader");
    let acted = stage.act(admin.send("DELETE", &one), 200).await;
    acted.left("admin", "delete", "robot", "reader");
}
