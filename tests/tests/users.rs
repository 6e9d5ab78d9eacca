//! Accounts of people: what the API says of them, who may change them, and when they end.

use roadstead_tests::api::{API, timeless};
use roadstead_tests::http::{Person, error_code, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const PASSWORD: &str = "Password-1";

/// A server with these people, as themselves, and their ids.
async fn with_people<const N: usize>(names: [&str; N]) -> (Server, [(Person, i64); N]) {
    let server = Setup::new().start();
    let mut people = Vec::new();
    for name in names {
        server.admin().create_user(name).await;
        let person = server.person(name, PASSWORD);
        let id = person.user_id().await;
        people.push((person, id));
    }
    (server, people.try_into().expect("as many"))
}

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
async fn accounts_are_changed_by_whom_they_belong_to_and_by_administrators() {
    let (server, [(alice, id), (mallory, _)]) = with_people(["alice", "mallory"]).await;
    let (admin, nobody) = (server.admin(), server.nobody());
    let profile = json!({"email": "a@example.com", "realname": "A", "comment": ""});
    let (one, none) = (format!("/users/{id}"), json!({}));
    let rows = [
        ("GET", one.clone(), none.clone(), [401, 403, 200, 200]),
        ("PUT", one.clone(), profile, [401, 403, 200, 200]),
        ("PUT", one.clone(), json!({"email": "admin", "realname": "A"}), [401, 403, 400, 400]),
        ("PUT", format!("{one}/sysadmin"), json!({"sysadmin_flag": true}), [401, 403, 403, 200]),
        // Now she is an administrator, and may cease to be one.
        ("PUT", format!("{one}/sysadmin"), json!({"sysadmin_flag": false}), [401, 403, 200, 200]),
        ("PUT", format!("{one}/disabled"), json!({"disabled": false}), [401, 403, 403, 200]),
        ("PUT", format!("{one}/disabled"), none.clone(), [401, 403, 403, 422]),
        ("GET", format!("{one}/sessions"), none.clone(), [401, 403, 200, 200]),
        ("GET", format!("{one}/tokens"), none.clone(), [401, 403, 200, 200]),
        ("DELETE", format!("{one}/tokens/1"), none.clone(), [401, 403, 404, 404]),
        ("DELETE", format!("{one}/sessions"), none.clone(), [401, 403, 200, 200]),
        ("DELETE", one.clone(), none.clone(), [401, 403, 403, 200]),
        ("GET", one.clone(), none.clone(), [401, 403, 401, 404]),
        ("DELETE", one, none, [401, 403, 401, 404]),
    ];
    for (method, path, body, expected) in rows {
        for (person, expected) in [&nobody, &mallory, &alice, &admin].into_iter().zip(expected) {
            let status = person.status(method, &path, &body).await;
            assert_eq!(status, expected, "{method} {path} {person:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_with_the_old_one_or_by_an_administrator() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let path = format!("/users/{id}/password");
    let change = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
    assert_eq!(alice.status("PUT", &path, &change("Wrong-123", "Password-2")).await, 403);
    assert_eq!(alice.status("PUT", &path, &json!({"new_password": "Password-2"})).await, 403);
    assert_eq!(alice.status("PUT", &path, &change(PASSWORD, "password")).await, 400);
    assert_eq!(alice.status("PUT", &path, &change(PASSWORD, PASSWORD)).await, 400);
    alice.change("PUT", &path, &change(PASSWORD, "Password-2")).await;
    assert_eq!(alice.status("GET", "/users/current", &json!({})).await, 401);
    let admin = server.admin();
    admin.change("PUT", &path, &json!({"new_password": "Password-3"})).await;
    server.person("alice", "Password-3").read("/users/current").await;
    // Where a directory keeps the password, nobody changes it here.
    server.sql("UPDATE user_account SET source = 'oidc' WHERE email = 'alice@example.com'").await;
    let refused = admin.call("PUT", &path, &json!({"new_password": "Password-4"})).await;
    assert_eq!(refused.status(), 403);
    let profile = json!({"email": "a@example.com", "realname": "A"});
    assert_eq!(admin.status("PUT", &format!("/users/{id}"), &profile).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays_and_nobody_removes_themselves() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let admin = server.admin();
    let built_in = admin.user_id().await;
    let (no, yes) = (json!({"sysadmin_flag": false}), json!({"sysadmin_flag": true}));
    let of = |id: i64, what: &str| format!("/users/{id}{what}");
    let last = admin.call("PUT", &of(built_in, "/sysadmin"), &no).await;
    assert_eq!(last.status(), 412);
    assert_eq!(error_code(last).await, "PRECONDITION");
    admin.change("PUT", &of(id, "/sysadmin"), &yes).await;
    let disable = json!({"disabled": true});
    for (person, id) in [(&alice, built_in), (&alice, id), (&admin, built_in)] {
        assert_eq!(person.status("DELETE", &of(id, ""), &json!({})).await, 403);
        assert_eq!(person.status("PUT", &of(id, "/disabled"), &disable).await, 403);
    }
    alice.change("PUT", &of(built_in, "/sysadmin"), &no).await;
    assert_eq!(admin.status("GET", "/users", &json!({})).await, 403);
    assert_eq!(alice.status("PUT", &of(id, "/sysadmin"), &no).await, 412);
    alice.change("PUT", &of(built_in, "/sysadmin"), &yes).await;
}

/// Every way in that somebody has.
struct Ways<'a> {
    server: &'a Server,
    person: Person,
    bearer: String,
    refresh: String,
    browser: roadstead_tests::api::Browser,
    through_token: Person,
}

impl<'a> Ways<'a> {
    const MANIFEST: &'static str = "/v2/mine/app/manifests/v1";

    async fn of(server: &'a Server, name: &str) -> Self {
        let person = server.person(name, PASSWORD);
        let (bearer, body) = person.token("repository:mine/app:pull").await;
        let pull = json!({
            "name": "ci", "permissions": [{"kind": "project", "namespace": "mine",
            "access": [{"resource": "repository", "action": "pull"}]}],
        });
        let (_, token) = person.make("/users/current/tokens", &pull).await;
        let secret = token["secret"].as_str().unwrap();
        Self {
            server,
            person,
            bearer,
            refresh: body["refresh_token"].as_str().unwrap().to_owned(),
            browser: server.log_in(name, PASSWORD).await,
            through_token: server.person(name, secret),
        }
    }

    /// Which of Basic, Bearer, refresh, cookie and personal token work.
    async fn open(&self) -> [bool; 5] {
        let scope = "repository:mine/app:pull";
        [
            self.person.get(Self::MANIFEST).await.status() == 200,
            self.server.with_token(&self.bearer, "GET", Self::MANIFEST).await == 200,
            self.server.refresh(&self.refresh, scope).await.status() == 200,
            self.browser.is_logged_in().await,
            self.through_token.get(Self::MANIFEST).await.status() == 200,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_deleted_or_logged_out_is_so_at_once_on_every_way() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let admin = server.admin();
    alice.create_project("mine", false).await;
    alice.push_image("mine/app", "v1", b"a layer").await;
    let disabled = format!("/users/{id}/disabled");
    let ways = Ways::of(&server, "alice").await;
    assert_eq!(ways.open().await, [true; 5]);
    admin.change("PUT", &disabled, &json!({"disabled": true})).await;
    assert_eq!(ways.open().await, [false; 5]);
    assert_eq!(admin.read(&format!("/users/{id}")).await["disabled"], true);
    // What was issued before does not come back; what people keep does.
    admin.change("PUT", &disabled, &json!({"disabled": false})).await;
    assert_eq!(ways.open().await, [true, false, false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_its_projects_and_frees_its_name() {
    let (server, [(alice, id)]) = with_people(["alice"]).await;
    let admin = server.admin();
    alice.create_project("mine", false).await;
    alice.push_image("mine/app", "v1", b"a layer").await;
    let ways = Ways::of(&server, "alice").await;
    alice.change("DELETE", &format!("/users/{id}/sessions"), &json!({})).await;
    assert_eq!(ways.open().await, [true, false, false, false, true]);
    admin.change("DELETE", &format!("/users/{id}"), &json!({})).await;
    assert_eq!(ways.open().await, [false; 5]);
    assert_eq!(admin.read("/users").await, json!([]));
    assert_eq!(admin.read("/projects/mine").await["owner_name"], format!("alice#{id}"));
    // Somebody else of that name has nothing of hers.
    admin.create_user("alice").await;
    assert_ne!(alice.user_id().await, id);
    assert_eq!(ways.open().await, [false; 5]);
    assert_eq!(alice.status("GET", "/projects/mine", &json!({})).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_update_users_is_not_an_administrator_yet() {
    let (server, [(alice, id), (_, boss)]) = with_people(["alice", "boss"]).await;
    let admin = server.admin();
    admin.change("PUT", &format!("/users/{boss}/sysadmin"), &json!({"sysadmin_flag": true})).await;
    let permissions = json!([{"kind": "system", "namespace": "/", "access": [
        {"resource": "user", "action": "update"}, {"resource": "user", "action": "delete"},
    ]}]);
    let robot = json!({
        "name": "keeper", "level": "system", "duration": -1, "permissions": permissions.clone(),
    });
    let (_, robot) = admin.make("/robots", &robot).await;
    let robot = server.person("robot$keeper", robot["secret"].as_str().unwrap());
    let token = json!({"name": "keeper", "permissions": permissions});
    let (_, token) = admin.make("/users/current/tokens", &token).await;
    let token = server.person("admin", token["secret"].as_str().unwrap());
    let own = admin.user_id().await;
    for keeper in [&robot, &token] {
        let (flag, password) =
            (json!({"sysadmin_flag": true}), json!({"new_password": "Password-7"}));
        assert_eq!(keeper.status("PUT", &format!("/users/{id}/sysadmin"), &flag).await, 403);
        for id in [boss, own] {
            let of = |what: &str| format!("/users/{id}{what}");
            assert_eq!(keeper.status("PUT", &of("/password"), &password).await, 403);
            assert_eq!(keeper.status("PUT", &of("/sysadmin"), &json!({})).await, 403);
            assert_eq!(
                keeper.status("PUT", &of("/disabled"), &json!({"disabled": true})).await,
                403
            );
            assert_eq!(keeper.status("DELETE", &of("/sessions"), &json!({})).await, 403);
            assert_eq!(keeper.status("DELETE", &of(""), &json!({})).await, 403);
        }
        // What Terraform does with a robot, to an ordinary account.
        keeper.change("PUT", &format!("/users/{id}/sysadmin"), &json!({})).await;
        keeper.change("PUT", &format!("/users/{id}/password"), &password).await;
    }
    assert_eq!(alice.status("GET", "/users/current", &json!({})).await, 401);
    let robots = robot.call("GET", "/users/current", &json!({})).await;
    assert_eq!(robots.status(), 412);
    assert_eq!(error_code(robots).await, "PRECONDITION");
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
