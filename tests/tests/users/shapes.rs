//! What the API tells of accounts, and how they are made.

use roadstead_tests::Setup;
use roadstead_tests::api::{API, timeless};
use roadstead_tests::http::{error_code, header};
use serde_json::{Value, json};

use crate::{PASSWORD, with_people};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_told_in_harbors_shape() {
    let server = Setup::new().start();
    let admin = server.admin();
    let new = json!({
        "username": "alice", "email": "alice@example.com", "realname": "Alice: A.",
        "comment": "hi", "password": PASSWORD,
    });
    let (path, body) = admin.make("/users", &new).await;
    assert_eq!(body, Value::Null);
    let id: i64 = path.strip_prefix("/users/").unwrap().parse().unwrap();
    let told = json!({
        "user_id": id, "username": "alice", "email": "alice@example.com",
        "realname": "Alice: A.", "comment": "hi", "sysadmin_flag": false,
        "admin_role_in_auth": false, "creation_time": "T", "update_time": "T",
    });
    assert_eq!(timeless(admin.read("/users").await), json!([told]));
    assert_eq!(timeless(admin.read(&path).await), told);
    let alice = server.person("alice", PASSWORD);
    assert_eq!(timeless(alice.read("/users/current").await), told);
    assert_eq!(timeless(alice.read(&path).await), told);
    let found = json!([{"user_id": id, "username": "alice"}]);
    assert_eq!(alice.read("/users/search?username=LIC").await, found);
    assert_eq!(alice.read("/users/search?username=admin").await, json!([]));
    assert_eq!(alice.status("GET", "/users/search", &json!({})).await, 422);
    let built_in = timeless(admin.read("/users/current").await);
    assert_eq!(built_in["sysadmin_flag"], true);
    assert!(built_in.get("email").is_none() && built_in.get("oidc_user_meta").is_none());
    let again = admin.call("POST", "/users", &new).await;
    assert_eq!(again.status(), 409);
    assert_eq!(error_code(again).await, "CONFLICT");
    assert_eq!(admin.status("GET", "/users/999999", &json!({})).await, 404);
    assert_eq!(admin.status("GET", "/users/x", &json!({})).await, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_break_harbors_rules_are_refused() {
    let (server, [(_, _)]) = with_people(["alice"]).await;
    let good = json!({
        "username": "bob", "email": "bob@example.com", "realname": "Bob", "password": PASSWORD,
    });
    let cases = [
        ("username", json!("")),
        ("username", json!("a,b")),
        ("username", json!("robot$bob")),
        ("username", json!("x".repeat(256))),
        ("email", json!("")),
        ("email", json!("nobody")),
        ("email", json!("a@b@c")),
        ("realname", json!("")),
        ("realname", json!("a#b")),
        ("comment", json!("x".repeat(31))),
        ("password", json!("short1A")),
        ("password", json!("nouppercase1")),
        ("password", json!(format!("{}Aa1", "x".repeat(126)))),
    ];
    for (key, value) in cases {
        let mut bad = good.clone();
        bad[key] = value;
        assert_eq!(server.admin().status("POST", "/users", &bad).await, 400, "{bad}");
    }
    // Nobody's name is another's address, since both log in.
    let mut shadow = good.clone();
    shadow["username"] = json!("alice@example.com");
    assert_eq!(server.admin().status("POST", "/users", &shadow).await, 409);
    assert_eq!(server.admin().status("POST", "/users", &good).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_by_what_they_show_and_nothing_else() {
    let (server, _) = with_people(["alice", "bob", "carol"]).await;
    let admin = server.admin();
    let names = async |query: &str| {
        let found = admin.read(&format!("/users?{query}")).await;
        let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
        found.as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "alice bob carol"),
        ("sort=-username", "carol bob alice"),
        ("q=username=bob", "bob"),
        ("q=username=~o&sort=-user_id", "carol bob"),
        ("q=Email=~ALICE", "alice"),
        ("q=realname={bob carol}", "bob carol"),
        ("q=sysadmin_flag=true", ""),
        ("q=creation_time=[2020-01-01T00:00:00~2021-01-01T00:00:00]", ""),
        ("username=O", "bob carol"),
        ("email=alice@", "alice"),
        ("page=2&page_size=2", "carol"),
    ] {
        assert_eq!(names(query).await, expected, "{query}");
    }
    let page = admin.get(&format!("{API}/users?page_size=2&sort=username")).await;
    assert_eq!(header(&page, "x-total-count"), "3");
    assert_eq!(
        header(&page, "link"),
        "</api/v2.0/users?sort=username&page=2&page_size=2>; rel=\"next\""
    );
    for hidden in ["password_hash", "password", "salt", "epoch", "source", "reset_uuid", "deleted"]
    {
        for query in [format!("q={hidden}=~a"), format!("sort={hidden}")] {
            let status = admin.status("GET", &format!("/users?{query}"), &json!({})).await;
            assert_eq!(status, 400, "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_register_only_where_they_may_and_without_privileges() {
    let server = Setup::new().start();
    let (admin, nobody) = (server.admin(), server.nobody());
    let new = |name: &str| {
        json!({
            "username": name, "email": format!("{name}@example.com"), "realname": name,
            "password": PASSWORD, "user_id": 1, "sysadmin_flag": true, "has_admin_role": true,
            "admin_role_in_auth": true, "role_id": 1, "disabled": false, "source": "ldap",
        })
    };
    assert_eq!(nobody.status("POST", "/users", &new("alice")).await, 401);
    admin.configure(json!({"self_registration": true})).await;
    let (path, _) = nobody.make("/users", &new("alice")).await;
    let alice = server.person("alice", PASSWORD);
    let told = alice.read("/users/current").await;
    assert_eq!(path, format!("/users/{}", told["user_id"]));
    assert_eq!(
        (&told["sysadmin_flag"], &told["admin_role_in_auth"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(alice.status("GET", "/users", &json!({})).await, 403);
    // Neither do changes of oneself.
    let mut profile = new("alice");
    profile["realname"] = json!("Alice");
    alice.change("PUT", &path, &profile).await;
    let told = alice.read("/users/current").await;
    assert_eq!((&told["realname"], &told["sysadmin_flag"]), (&json!("Alice"), &json!(false)));
    // Who has an account makes none for others.
    assert_eq!(alice.status("POST", "/users", &new("bob")).await, 403);
    // Each attempt may cost the hash of a password, so there are only so many.
    let mut statuses = Vec::new();
    for n in 0..12 {
        statuses.push(nobody.status("POST", "/users", &new(&format!("user{n}"))).await);
    }
    assert_eq!(statuses[0], 201);
    assert_eq!(statuses[11], 429, "{statuses:?}");
    admin.configure(json!({"self_registration": false})).await;
    assert_eq!(nobody.status("POST", "/users", &new("late")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_they_may_do() {
    let (server, [(alice, _), (mallory, _)]) = with_people(["alice", "mallory"]).await;
    alice.create_project("mine", false).await;
    let id = alice.read("/projects/mine").await["project_id"].clone();
    let pair = |resource: &str, action: &str| json!({"resource": resource, "action": action});
    let has = |list: &Value, wanted: Value| list.as_array().unwrap().contains(&wanted);
    let path = format!("/users/current/permissions?scope=/project/{id}");
    let whole = alice.read(&path).await;
    assert!(has(&whole, pair(&format!("/project/{id}/repository"), "push")));
    assert!(has(&whole, pair(&format!("/project/{id}"), "delete")));
    let relative = alice.read(&format!("{path}&relative=True")).await;
    assert!(has(&relative, pair("repository", "push")) && has(&relative, pair(".", "delete")));
    assert_eq!(relative.as_array().unwrap().len(), 75);
    let of_one = alice.read(&format!("{path}/repository")).await;
    let repository = format!("/project/{id}/repository");
    assert!(has(&of_one, pair(&repository, "push")), "{of_one}");
    assert!(of_one.as_array().unwrap().iter().all(|one| one["resource"] == repository.as_str()));
    let of_one = alice.read(&format!("{path}/repository&relative=true")).await;
    assert!(has(&of_one, pair(".", "push")) && !has(&of_one, pair(".", "operate")), "{of_one}");
    assert_eq!(mallory.read(&path).await, json!([]));
    for scope in ["", "?scope=/project/999999", "?scope=/system", "?scope=nonsense"] {
        assert_eq!(mallory.read(&format!("/users/current/permissions{scope}")).await, json!([]));
    }
    let admin = server.admin();
    let system = admin.read("/users/current/permissions?scope=/system&relative=true").await;
    assert!(has(&system, pair("user", "create")) && system.as_array().unwrap().len() == 70);
    // The catalogue of what can be given.
    let catalogue = admin.read("/permissions").await;
    let count = |list: &Value| list.as_array().unwrap().len();
    assert_eq!((count(&catalogue["system"]), count(&catalogue["project"])), (70, 70));
    let catalogue = alice.read("/permissions").await;
    assert_eq!((&catalogue["system"], count(&catalogue["project"])), (&Value::Null, 70));
    assert_eq!(mallory.status("GET", "/permissions", &json!({})).await, 403);
    assert_eq!(server.nobody().status("GET", "/permissions", &json!({})).await, 401);
}
