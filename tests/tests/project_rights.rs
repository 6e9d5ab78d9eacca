//! What robots, custom roles and groups may do with projects.

use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const PROJECTS: &str = "/api/v2.0/projects";
const MEMBERS: &str = "/api/v2.0/projects/team/members";

/// A server with alice, bob, and alice's private project `team`, whose id is 2.
async fn team() -> (Server, Person, Person) {
    let server = Setup::new().start();
    for name in ["alice", "bob"] {
        server.admin().create_user(name).await;
    }
    let alice = server.person("alice", "Password-1");
    alice.create_project("team", false).await;
    let bob = server.person("bob", "Password-1");
    (server, alice, bob)
}

/// Sends what makes something; the status, the location and the body of the answer.
async fn make(person: &Person, path: &str, body: Value) -> (u16, String, Value) {
    let answer = person.send("POST", path).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let location = if status == 201 { header(&answer, "location") } else { String::new() };
    (status, location, answer.json().await.unwrap_or_default())
}

/// A robot with these permissions in one place.
async fn robot(
    server: &Server,
    name: &str,
    place: (&str, &str),
    access: &[(&str, &str)],
) -> Person {
    let access: Vec<Value> = access
        .iter()
        .map(|(resource, action)| json!({"resource": resource, "action": action}))
        .collect();
    let body = json!({
        "name": name, "level": "system", "duration": -1,
        "permissions": [{"kind": place.0, "namespace": place.1, "access": access}],
    });
    let request = server.admin().send("POST", "/api/v2.0/robots").json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let made: Value = answer.json().await.unwrap();
    server.person(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap())
}

/// A custom role and its id.
async fn role(server: &Server, name: &str, access: &[(&str, &str)]) -> i64 {
    let access: Vec<Value> = access
        .iter()
        .map(|(resource, action)| json!({"resource": resource, "action": action}))
        .collect();
    let body = json!({"name": name, "permissions": access});
    let (status, location, _) = make(&server.admin(), "/api/v2.0/roles", body).await;
    assert_eq!(status, 201);
    location.rsplit('/').next().unwrap().parse().unwrap()
}

/// Whether the last event is a refused attempt at `path`.
async fn was_noted(server: &Server, attempt: &str) -> bool {
    let path = "/api/v2.0/auditlog-exts?page_size=1&sort=-id";
    let last = &server.admin().read_json(path).await[0];
    last["resource"] == attempt && last["operation_result"] == false
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_make_projects_for_the_administrator_if_they_were_allowed_to() {
    let (server, ..) = team().await;
    let admin = server.admin();
    let maker = robot(&server, "maker", ("system", "/"), &[("project", "create")]).await;
    let body = json!({"project_name": "made", "storage_limit": 4096});
    let (status, location, _) = make(&maker, PROJECTS, body).await;
    assert_eq!((status, location), (201, format!("{PROJECTS}/3")));
    assert_eq!(admin.read_json(&format!("{PROJECTS}/made")).await["owner_name"], "admin");
    assert_eq!(admin.read_json("/api/v2.0/quotas/3").await["hard"], json!({"storage": 4096}));
    let lister = robot(&server, "lister", ("system", "/"), &[("project", "list")]).await;
    let inside = [("project", "read"), ("project", "update"), ("member", "create")];
    let inside = robot(&server, "inside", ("project", "team"), &inside).await;
    for refused in [lister, inside] {
        let (status, _, answer) = make(&refused, PROJECTS, json!({"project_name": "no"})).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (403, &json!("FORBIDDEN")));
        assert!(was_noted(&server, &format!("POST {PROJECTS}")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn making_projects_can_be_left_to_administrators() {
    let (server, alice, _) = team().await;
    let admin = server.admin();
    let maker = robot(&server, "maker", ("system", "/"), &[("project", "create")]).await;
    let settings =
        json!({"project_creation_restriction": "adminonly", "storage_per_project": 1000});
    assert_eq!(admin.json("PUT", "/api/v2.0/configurations", &settings).await, 200);
    let (status, _, answer) = make(&alice, PROJECTS, json!({"project_name": "mine"})).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (403, &json!("FORBIDDEN")));
    assert_eq!(make(&admin, PROJECTS, json!({"project_name": "mine"})).await.0, 201);
    assert_eq!(make(&maker, PROJECTS, json!({"project_name": "made"})).await.0, 201);
    let quotas = admin.read_json("/api/v2.0/quotas").await;
    let limits: Vec<&Value> =
        quotas.as_array().unwrap().iter().map(|quota| &quota["hard"]["storage"]).collect();
    assert_eq!(limits, [-1, -1, 1000, 1000], "new projects get the default");
    let off = json!({"quota_per_project_enable": false});
    assert_eq!(admin.json("PUT", "/api/v2.0/configurations", &off).await, 200);
    admin.push_image("made/app", "v1", &[1; 2000]).await;
    let used = admin.read_json("/api/v2.0/quotas/4").await["used"]["storage"].as_i64().unwrap();
    assert!(used > 2000, "{used} bytes are counted, though no limit binds");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hands_out_a_role_that_allows_more_than_they_may() {
    let (server, alice, bob) = team().await;
    let members = [("member", "create"), ("member", "update"), ("member", "list")];
    let manager = role(&server, "member manager", &members).await;
    let reader = role(&server, "member reader", &members[2..]).await;
    let body = |name: &str, role: i64| json!({"role_id": role, "member_user": {"username": name}});
    let (status, own, _) = make(&alice, MEMBERS, body("bob", manager)).await;
    assert_eq!(status, 201, "a custom role is a role");
    assert_eq!(alice.read_json(&own).await["role_name"], "member manager");
    for role in [1, 2, 3, 4, 5] {
        let (status, _, answer) = make(&bob, MEMBERS, body("admin", role)).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (403, &json!("DENIED")), "{role}");
        assert!(was_noted(&server, &format!("POST {MEMBERS}")).await);
    }
    assert_eq!(bob.json("PUT", &own, &json!({"role_id": 1})).await, 403);
    let (status, ..) = make(&bob, MEMBERS, body("admin", reader)).await;
    assert_eq!(status, 201, "what they may do themselves they may give");
    for role in [0, 6_000, -1] {
        assert_eq!(make(&alice, MEMBERS, body("bob", role)).await.0, 400, "{role}");
        assert_eq!(alice.json("PUT", &own, &json!({"role_id": role})).await, 400, "{role}");
    }
    // A robot gives the role of whose permissions it has all that a robot can have.
    let guest = [
        ("accessory", "list"),
        ("artifact", "list"),
        ("artifact", "read"),
        ("artifact-addition", "read"),
        ("label", "list"),
        ("label", "read"),
        ("member", "list"),
        ("member", "read"),
        ("member", "update"),
        ("project", "read"),
        ("quota", "read"),
        ("repository", "list"),
        ("repository", "pull"),
        ("repository", "read"),
        ("robot", "list"),
        ("robot", "read"),
        ("sbom", "read"),
        ("scan", "read"),
        ("scanner", "read"),
        ("tag", "list"),
    ];
    let strong = robot(&server, "strong", ("project", "team"), &guest).await;
    assert_eq!(strong.json("PUT", &own, &json!({"role_id": 2})).await, 403);
    assert_eq!(strong.json("PUT", &own, &json!({"role_id": 3})).await, 200);
    let weak = robot(&server, "weak", ("project", "team"), &members).await;
    assert_eq!(weak.json("PUT", &own, &json!({"role_id": 5})).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_members_by_id_by_name_and_by_distinguished_name() {
    let (server, alice, _) = team().await;
    let admin = server.admin();
    let mut ids = Vec::new();
    for group in [
        json!({"group_name": "devs", "group_type": 1,
               "ldap_group_dn": "cn=devs,ou=groups,dc=example,dc=com"}),
        json!({"group_name": "devs", "group_type": 3}),
    ] {
        let (status, location, _) = make(&admin, "/api/v2.0/usergroups", group).await;
        assert_eq!(status, 201);
        ids.push(location.rsplit('/').next().unwrap().parse::<i64>().unwrap());
    }
    let given = async |group: Value| {
        let body = json!({"role_id": 2, "member_user": {}, "member_group": group});
        let (status, location, _) = make(&alice, MEMBERS, body).await;
        if status != 201 {
            return Err(status);
        }
        let member = alice.read_json(&location).await;
        assert_eq!(alice.status_of("DELETE", &location).await, 200);
        assert_eq!((&member["entity_type"], &member["role_id"]), (&json!("g"), &json!(2)));
        Ok((member["entity_name"].as_str().unwrap().to_owned(), member["entity_id"].clone()))
    };
    let devs = |id: i64| Ok(("devs".to_owned(), json!(id)));
    assert_eq!(given(json!({"id": ids[1]})).await, devs(ids[1]));
    assert_eq!(given(json!({"group_name": "devs", "group_type": 1})).await, devs(ids[0]));
    assert_eq!(given(json!({"group_name": "devs"})).await, Err(400), "two have this name");
    let dn = "CN=Devs, OU=groups, DC=example, DC=com";
    assert_eq!(given(json!({"ldap_group_dn": dn})).await, devs(ids[0]));
    assert_eq!(given(json!({"ldap_group_dn": "no name"})).await, Err(400));
    assert_eq!(given(json!({"ldap_group_dn": "cn=ops,dc=example"})).await, Err(404));
    assert_eq!(given(json!({"group_name": "ops", "group_type": 3})).await, Err(404));
    assert_eq!(given(json!({})).await, Err(400));
}
