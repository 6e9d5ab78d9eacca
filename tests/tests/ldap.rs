//! People, groups and administrators of an LDAP directory, at a real one.

use std::time::{Duration, Instant};

use reqwest::Response;
use roadstead_tests::http::{Person, error_code, header};
use roadstead_tests::slapd::{
    GROUPS, PASSWORD, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, Slapd, group_dn, user_dn,
};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};
use serde_json::{Value, json};
use sqlx::SqlitePool;

const IMAGE: &str = "/v2/team/app/manifests/v1";

/// The settings of the directory with groups, at this URL.
fn settings(url: &str) -> Value {
    json!({
        "auth_mode": "ldap_auth", "ldap_url": url, "ldap_base_dn": PEOPLE, "ldap_uid": "uid",
        "ldap_search_dn": SEARCH_DN, "ldap_search_password": SEARCH_PASSWORD,
        "ldap_filter": "objectClass=inetOrgPerson", "ldap_timeout": 2,
        "ldap_group_base_dn": GROUPS, "ldap_group_search_filter": "objectClass=groupOfNames",
        "ldap_group_attribute_name": "cn", "ldap_group_admin_dn": group_dn("admins"),
    })
}

async fn configure(server: &Server, changes: &Value) -> u16 {
    let request = server.admin().send("PUT", "/api/v2.0/configurations").json(changes);
    request.send().await.unwrap().status().as_u16()
}

/// A server whose people are in a directory.
async fn with_directory() -> Option<(Slapd, Server)> {
    let slapd = Slapd::unless_quick()?;
    let server = Setup::new().env("ROADSTEAD_LOG", "trace").start();
    assert_eq!(configure(&server, &settings(&slapd.url())).await, 200);
    Some((slapd, server))
}

/// The database, for what no route of this server's API tells.
async fn database(server: &Server) -> SqlitePool {
    let path = server.data().join("roadstead.db");
    SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap()
}

/// Makes the private project `team` with an image, and the group a developer there.
async fn team_of(server: &Server, group: &str) {
    let admin = server.admin();
    admin.create_project("team", false).await;
    admin.push_image("team/app", "v1", b"a layer").await;
    let pool = database(server).await;
    let added = sqlx::query(
        "INSERT INTO role_binding (principal_id, role_id, scope, project_id, created_at, updated_at)
         SELECT g.principal_id, 2, 'project', p.id, 0, 0 FROM user_group g, project p
         WHERE g.group_name = $1 AND p.name = 'team'",
    );
    assert_eq!(added.bind(group).execute(&pool).await.unwrap().rows_affected(), 1);
    pool.close().await;
}

async fn current(person: &Person) -> Value {
    let answer = person.get("/api/v2.0/users/current").await;
    assert_eq!(answer.status(), 200, "{person:?}");
    answer.json().await.unwrap()
}

async fn status(person: &Person, path: &str) -> u16 {
    person.get(path).await.status().as_u16()
}

/// A login as docker does it, for a token that can be refreshed.
async fn docker_login(server: &Server, name: &str, password: &str) -> Response {
    let form = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
        ("access_type", "offline"),
        ("client_id", "docker"),
        ("service", "harbor-registry"),
    ];
    server.nobody().send("POST", "/service/token").form(&form).send().await.unwrap()
}

async fn refresh(server: &Server, token: &str) -> Response {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("service", "harbor-registry"),
        ("scope", "repository:team/app:pull"),
    ];
    server.nobody().send("POST", "/service/token").form(&form).send().await.unwrap()
}

/// A login as browsers do it; the cookie.
async fn browser_login(server: &Server, name: &str, password: &str) -> Result<String, u16> {
    let form = [("principal", name), ("password", password)];
    let answer = server.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
    match answer.status().as_u16() {
        200 => Ok(header(&answer, "set-cookie").split(';').next().unwrap().to_owned()),
        status => Err(status),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_directory_log_in_everywhere() {
    let Some((_slapd, server)) = with_directory().await else { return };
    let alice = server.person("alice", PASSWORD);
    let me = current(&alice).await;
    assert_eq!(
        (&me["username"], &me["realname"], &me["email"], &me["sysadmin_flag"]),
        (&json!("alice"), &json!("Alice Adams"), &json!("alice@example.org"), &json!(false))
    );
    assert_eq!(status(&alice, "/v2/").await, 200);
    let token = alice.get("/service/token?service=harbor-registry").await;
    let token: Value = token.json().await.unwrap();
    let bearer = server.nobody().send("GET", "/v2/").bearer_auth(token["token"].as_str().unwrap());
    assert_eq!(bearer.send().await.unwrap().status(), 200);
    // Another spelling is the same person.
    assert_eq!(current(&server.person("ALICE", PASSWORD)).await["user_id"], me["user_id"]);
    let posted = docker_login(&server, " alice ", PASSWORD).await;
    assert_eq!(posted.status(), 200);
    let cookie = browser_login(&server, "alice", PASSWORD).await.unwrap();
    let request = server.nobody().send("GET", "/api/v2.0/users/current").header("cookie", cookie);
    let seen: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["user_id"], me["user_id"]);
    // One account and one row for it, and none of the passwords anywhere.
    let pool = database(&server).await;
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT actor, operation FROM audit_log WHERE resource_type = 'user' AND resource = 'alice'
         ORDER BY id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    pool.close().await;
    let rows: Vec<_> = rows.iter().map(|(who, what)| (who.as_str(), what.as_str())).collect();
    assert_eq!(rows, [("alice", "create"), ("alice", "login")]);
    let log = server.log();
    let database = std::fs::read(server.data().join("roadstead.db")).unwrap();
    for password in [PASSWORD, SEARCH_PASSWORD] {
        assert!(!log.contains(password), "a password is in the log");
        assert!(!database.windows(password.len()).any(|part| part == password.as_bytes()));
    }
    // The administrator's password is here, and nothing of the directory's stands in for it.
    assert_eq!(current(&server.admin()).await["username"], "admin");
    assert_eq!(status(&server.person("admin", PASSWORD), "/v2/").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_name_and_password_are_let_in() {
    let Some((slapd, server)) = with_directory().await else { return };
    for (name, password) in [
        ("alice", "wrong"),
        ("alice", ""),
        ("", PASSWORD),
        ("*", PASSWORD),
        ("a*", PASSWORD),
        ("*)(uid=*", PASSWORD),
        ("alice)(|(uid=*", PASSWORD),
        ("\\61lice", PASSWORD),
        // Full-width letters: many directories take them for the plain ones.
        ("\u{ff41}lice", PASSWORD),
        ("nobody-at-all", PASSWORD),
        ("alice@example.org", PASSWORD),
    ] {
        assert_eq!(status(&server.person(name, password), "/v2/").await, 401, "{name:?}");
        assert_eq!(browser_login(&server, name, password).await, Err(401), "{name:?}");
        assert_eq!(docker_login(&server, name, password).await.status(), 401, "{name:?}");
    }
    let pool = database(&server).await;
    let (people,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM user_account").fetch_one(&pool).await.unwrap();
    assert_eq!(people, 1, "somebody got an account");
    // Somebody whose name, with its comma replaced, is that of another gets nothing of theirs.
    let entry = |name: &str| {
        format!(
            "dn: cn={name},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: {name}\n\
             sn: x\nuid: {}\nmail: alice@example.org\nuserPassword: {PASSWORD}\n\n",
            name.replace('+', ",")
        )
    };
    slapd.modify(&(entry("doe_ jo").replace("cn=doe_ jo", "cn=one") + &entry("two")));
    slapd.modify(&format!("dn: cn=two,{PEOPLE}\nchangetype: modify\nreplace: uid\nuid: doe, jo\n"));
    let first = server.person("doe, jo", PASSWORD);
    let me = current(&first).await;
    assert_eq!((&me["username"], &me["email"]), (&json!("doe_ jo"), &json!("alice@example.org")));
    assert_eq!(status(&server.person("doe_ jo", PASSWORD), "/v2/").await, 401);
    // Nor is an address that is taken given to a second one.
    assert!(current(&server.person("alice", PASSWORD)).await.get("email").is_none());
    // Refreshing asks for the name that the directory has.
    let tokens: Value = docker_login(&server, "doe, jo", PASSWORD).await.json().await.unwrap();
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(&server, token).await.status(), 200);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_whatever_the_spelling() {
    let Some((_slapd, server)) = with_directory().await else { return };
    assert_eq!(status(&server.person("alice", PASSWORD), "/v2/").await, 200);
    let mut statuses = Vec::new();
    for n in 0..15 {
        let name = format!("{}Alice{}", " ".repeat(n % 3), " ".repeat(n % 5));
        let answer = server.person(&name, &format!("guess-{n}")).get("/v2/").await;
        if answer.status() == 429 {
            assert!(answer.headers().contains_key("retry-after"));
        }
        statuses.push(answer.status().as_u16());
    }
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 12, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    // Who has used the right password lately is not kept out.
    assert_eq!(status(&server.person("alice", PASSWORD), "/v2/").await, 200);
    assert!(browser_login(&server, "alice", PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_give_roles_and_take_them_when_they_are_left() {
    let Some((slapd, server)) = with_directory().await else { return };
    let (alice, bob) = (server.person("alice", PASSWORD), server.person("bob", PASSWORD));
    assert_eq!(status(&alice, "/v2/").await, 200);
    team_of(&server, "devs").await;
    assert_eq!((status(&alice, IMAGE).await, status(&bob, IMAGE).await), (200, 200));
    assert_eq!(status(&server.person("carol", PASSWORD), "/v2/").await, 200);
    let tokens: Value = docker_login(&server, "alice", PASSWORD).await.json().await.unwrap();
    let token = tokens["refresh_token"].as_str().unwrap();
    let scope = async |token: &str| {
        let answer: Value = refresh(&server, token).await.json().await.unwrap();
        answer["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(scope(token).await, "repository:team/app:pull");
    // At the next refresh.
    slapd.remove_member("devs", "alice");
    assert_eq!(scope(token).await, "repository:team/app:");
    assert_eq!((status(&alice, IMAGE).await, status(&bob, IMAGE).await), (401, 200));
    slapd.add_member("devs", "alice");
    assert_eq!(scope(token).await, "repository:team/app:pull");
    // At the next login.
    slapd.remove_member("devs", "bob");
    browser_login(&server, "bob", PASSWORD).await.unwrap();
    assert_eq!((status(&alice, IMAGE).await, status(&bob, IMAGE).await), (200, 401));
    slapd.remove_member("devs", "alice");
    slapd.set_password("alice", "Changed-1");
    assert_eq!(status(&server.person("alice", "Changed-1"), IMAGE).await, 401);
    // A group that is written otherwise is the same group.
    let pool = database(&server).await;
    let groups: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT group_name, ldap_group_dn, group_type FROM user_group ORDER BY 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    pool.close().await;
    let group = |name: &str| (name.to_owned(), group_dn(name), 1);
    assert_eq!(groups, [group("admins"), group("devs")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_makes_administrators_while_they_are_in_it() {
    let Some((slapd, server)) = with_directory().await else { return };
    let carol = server.person("carol", PASSWORD);
    let me = current(&carol).await;
    assert_eq!((&me["sysadmin_flag"], &me["admin_role_in_auth"]), (&json!(false), &json!(true)));
    assert_eq!(status(&carol, "/api/v2.0/configurations").await, 200);
    let cookie = browser_login(&server, "carol", PASSWORD).await.unwrap();
    let with_cookie = async |path: &str| {
        let request = server.nobody().send("GET", path).header("cookie", &cookie);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(with_cookie("/api/v2.0/configurations").await, 200);
    slapd.remove_member("admins", "carol");
    browser_login(&server, "carol", PASSWORD).await.unwrap();
    assert_eq!(status(&carol, "/api/v2.0/configurations").await, 403);
    assert_eq!(with_cookie("/api/v2.0/configurations").await, 403);
    assert_eq!(current(&carol).await["admin_role_in_auth"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_the_directory_or_is_disabled_is_out() {
    let Some((slapd, mut server)) = with_directory().await else { return };
    let cookie = browser_login(&server, "alice", PASSWORD).await.unwrap();
    let mut tokens = Vec::new();
    for name in ["alice", "bob"] {
        let answer: Value = docker_login(&server, name, PASSWORD).await.json().await.unwrap();
        let token = answer["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(refresh(&server, &token).await.status(), 200);
        tokens.push(token);
    }
    slapd.delete_user("alice");
    assert_eq!(refresh(&server, &tokens[0]).await.status(), 401);
    assert_eq!(browser_login(&server, "alice", PASSWORD).await, Err(401));
    // Disabled here: the directory's consent changes nothing (nor does it enable anybody).
    let pool = database(&server).await;
    let disabled = sqlx::query("UPDATE principal SET disabled = 1 WHERE name = 'bob'");
    disabled.execute(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(status(&server.person("bob", PASSWORD), "/v2/").await, 401);
    assert_eq!(browser_login(&server, "bob", PASSWORD).await, Err(401));
    assert_eq!(docker_login(&server, "bob", PASSWORD).await.status(), 401);
    assert_eq!(refresh(&server, &tokens[1]).await.status(), 401);
    // A session is believed for some minutes, by the process that has looked its owner up.
    let path = "/api/v2.0/users/current";
    let request = server.nobody().send("GET", path).header("cookie", &cookie);
    assert_eq!(request.send().await.unwrap().status(), 200);
    server.kill();
    server.start();
    let request = server.nobody().send("GET", path).header("cookie", &cookie);
    assert_eq!(request.send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_password_here_is_nobody_elses() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    // Made before the mode; an overwrite may change that at any time.
    let mut server = Setup::new().start();
    server.admin().create_user("alice").await;
    server.kill();
    let data = tempfile::tempdir().unwrap();
    std::fs::rename(server.data(), data.path().join("data")).unwrap();
    server.damaged_on_purpose();
    drop(server);
    let server = Setup::new()
        .data(&data.path().join("data"))
        .env("ROADSTEAD_CONFIG_OVERWRITE_JSON", settings(&slapd.url()).to_string())
        .start();
    assert_eq!(current(&server.person("alice", "Password-1")).await["username"], "alice");
    for name in ["alice", "ALICE", " alice "] {
        assert_eq!(status(&server.person(name, PASSWORD), "/v2/").await, 401, "{name}");
    }
    // Nor by the mail address.
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nreplace: mail\nmail: alice@example.com\n",
        user_dn("bob")
    ));
    let bob = current(&server.person("bob", PASSWORD)).await;
    assert!(bob["username"] == "bob" && bob.get("email").is_none(), "{bob}");
    assert_eq!(current(&server.person("alice", "Password-1")).await["email"], "alice@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_down_is_no_wrong_password() {
    let Some((slapd, server)) = with_directory().await else { return };
    let login: Value = docker_login(&server, "alice", PASSWORD).await.json().await.unwrap();
    let token = login["refresh_token"].as_str().unwrap();
    drop(slapd);
    for answer in [
        server.person("bob", PASSWORD).get("/v2/").await,
        server.person("bob", PASSWORD).get("/api/v2.0/users/current").await,
        server.person("bob", "wrong").get("/service/token?service=harbor-registry").await,
        docker_login(&server, "bob", PASSWORD).await,
        refresh(&server, token).await,
    ] {
        assert_eq!(answer.status(), 503, "{}", answer.url());
        assert!(answer.headers().contains_key("retry-after"), "{}", answer.url());
        assert!(!answer.text().await.unwrap().contains("127.0.0.1"), "it tells where it is");
    }
    assert_eq!(browser_login(&server, "bob", PASSWORD).await, Err(503));
    // Trouble does not use up attempts.
    for _ in 0..15 {
        assert_eq!(status(&server.person("bob", PASSWORD), "/v2/").await, 503);
    }
    assert_eq!(status(&server.admin(), "/v2/").await, 200);
    let search = server.admin().get("/api/v2.0/ldap/users/search?username=a").await;
    assert_eq!(search.status(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_never_answers_holds_up_nobody_for_long() {
    let Some((_slapd, server)) = with_directory().await else { return };
    // Connections are made, and nobody speaks.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let changes = json!({"ldap_url": url, "ldap_search_password": "x", "ldap_timeout": 1});
    assert_eq!(configure(&server, &changes).await, 200);
    let since = Instant::now();
    let logins = (0..20).map(|n| {
        let person = server.person(if n % 2 == 0 { "alice" } else { "bob" }, PASSWORD);
        tokio::spawn(async move { status(&person, "/v2/").await })
    });
    for login in logins.collect::<Vec<_>>() {
        assert_eq!(login.await.unwrap(), 503);
    }
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    assert_eq!(status(&server.admin(), "/v2/").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_logins_of_one_client_ask_the_directory_once() {
    let Some((slapd, server)) = with_directory().await else { return };
    let alice = server.person("alice", PASSWORD);
    let logins = (0..40).map(|_| {
        let alice = alice.clone();
        tokio::spawn(async move { status(&alice, "/v2/").await })
    });
    for login in logins.collect::<Vec<_>>() {
        assert_eq!(login.await.unwrap(), 200);
    }
    let pool = database(&server).await;
    let (rows,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM audit_log WHERE resource_type = 'user' AND resource = 'alice'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(rows, 1, "the account was made once");
    pool.close().await;
    // What is remembered needs no directory, and ends when the password's settings change.
    drop(slapd);
    assert_eq!(status(&alice, "/v2/").await, 200);
    assert_eq!(configure(&server, &json!({"ldap_filter": "objectClass=person"})).await, 200);
    assert_eq!(status(&alice, "/v2/").await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let Some((_slapd, server)) = with_directory().await else { return };
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..9 {
        for (name, times) in ["alice", "nobody"].iter().zip(&mut times) {
            let person = server.person(name, &format!("wrong-{n}"));
            let since = Instant::now();
            assert_eq!(status(&person, "/v2/").await, 401);
            times.push(since.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    // A search without a verification takes a tenth.
    let (less, more) = (known.min(unknown), known.max(unknown));
    assert!(more < less * 2 + Duration::from_millis(20), "{known:?} {unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_with_the_certificate_that_is_set() {
    let Some((slapd, server)) = with_directory().await else { return };
    for (n, url) in [slapd.tls_url(), slapd.starttls_url()].into_iter().enumerate() {
        let mut changes = settings(&url);
        changes["ldap_ca_certificate"] = json!("");
        changes.as_object_mut().unwrap().remove("auth_mode");
        assert_eq!(configure(&server, &changes).await, 200);
        assert_eq!(browser_login(&server, "alice", PASSWORD).await, Err(503), "{url}");
        let trusted = json!({"ldap_ca_certificate": slapd.certificate()});
        assert_eq!(configure(&server, &trusted).await, 200);
        assert!(browser_login(&server, "alice", PASSWORD).await.is_ok(), "{url}");
        // Once there is somebody, the mode stays.
        assert_eq!(configure(&server, &json!({"auth_mode": "db_auth"})).await, 400, "{n}");
    }
}

async fn ping(server: &Server, body: &Value) -> Value {
    let request = server.admin().send("POST", "/api/v2.0/ldap/ping").json(body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_tries_settings_and_gives_no_password_away() {
    let Some((slapd, server)) = with_directory().await else { return };
    let empty = server.admin().send("POST", "/api/v2.0/ldap/ping").send().await.unwrap();
    assert_eq!(empty.json::<Value>().await.unwrap(), json!({"success": true}));
    assert_eq!(ping(&server, &json!({"ldap_url": slapd.url()})).await, json!({"success": true}));
    for (body, word) in [
        (json!({"ldap_search_password": "wrong"}), "ldap_search_password"),
        (json!({"ldap_url": "http://x", "ldap_search_password": "x"}), "ldap_url"),
        (json!({"ldap_filter": "("}), "ldap_filter"),
        (json!({"ldap_scope": 7}), "ldap_scope"),
        (json!({"ldap_connection_timeout": 0}), "ldap_connection_timeout"),
        (json!({"ldap_url": "ldap://127.0.0.1:1", "ldap_search_password": "x"}), "reached"),
    ] {
        let answer = ping(&server, &body).await;
        assert!(answer.get("success").is_none(), "{body} {answer}");
        assert!(answer["message"].as_str().unwrap().contains(word), "{body} {answer}");
    }
    // A server of somebody's own hears nothing.
    let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}", sink.local_addr().unwrap());
    let answer = ping(&server, &json!({"ldap_url": url})).await;
    assert!(answer["message"].as_str().unwrap().contains("ldap_search_password"), "{answer}");
    assert!(sink.accept().is_err(), "it was asked");
    assert_eq!(configure(&server, &json!({"ldap_url": url})).await, 400);
    let given = json!({"ldap_url": slapd.tls_url(), "ldap_verify_cert": false,
                       "ldap_search_password": SEARCH_PASSWORD});
    assert_eq!(ping(&server, &given).await, json!({"success": true}));
    assert_eq!(status(&server.person("alice", PASSWORD), "/v2/").await, 200);
    let denied = server.person("alice", PASSWORD).send("POST", "/api/v2.0/ldap/ping");
    assert_eq!(denied.json(&given).send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_groups_are_searched_and_imported() {
    let Some((_slapd, server)) = with_directory().await else { return };
    let admin = server.admin();
    let search = async |query: &str| {
        let answer = admin.get(&format!("/api/v2.0/ldap/{query}")).await;
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let bob = json!({"username": "bob", "realname": "Bob Brown", "email": "bob@example.org"});
    assert_eq!(search("users/search?username=bo").await, (200, json!([bob])));
    assert_eq!(search("users/search").await.1.as_array().unwrap().len(), 3);
    assert_eq!(search("users/search?username=*").await, (200, json!([])));
    let devs = json!([{"group_name": "devs", "group_type": 1, "ldap_group_dn": group_dn("devs")}]);
    assert_eq!(search("groups/search?groupname=dev").await, (200, devs.clone()));
    let dn = group_dn("DEVS").replace('=', "%3D");
    assert_eq!(search(&format!("groups/search?groupdn={dn}")).await, (200, devs));
    assert_eq!(search("groups/search?groupname=none").await.0, 404);
    assert_eq!(search("groups/search?groupdn=none").await.0, 400);
    let import = async |person: &Person, list: Value| {
        let body = json!({"ldap_uid_list": list});
        let path = "/api/v2.0/ldap/users/import";
        person.send("POST", path).json(&body).send().await.unwrap()
    };
    let answer = import(&admin, json!(["bob", "nobody", "carol", "*", ""])).await;
    assert_eq!(answer.status(), 404);
    let failed: Value = answer.json().await.unwrap();
    let unknown = |uid: &str, error: &str| json!({"uid": uid, "error": error});
    assert_eq!(
        failed,
        json!([
            unknown("nobody", "unknown_user"),
            unknown("*", "unknown_user"),
            unknown("", "empty_uid")
        ])
    );
    assert_eq!(import(&admin, json!(["bob"])).await.status(), 200);
    let users: Value = admin.get("/api/v2.0/users").await.json().await.unwrap();
    let names: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["bob", "carol"]);
    // Who has been imported by name has no password here.
    assert_eq!(status(&server.person("bob", ""), "/v2/").await, 401);
    let person = server.person("bob", PASSWORD);
    assert_eq!(import(&person, json!(["alice"])).await.status(), 403);
    assert_eq!(status(&person, "/api/v2.0/ldap/users/search").await, 403);
    assert_eq!(status(&server.nobody(), "/api/v2.0/ldap/groups/search").await, 401);
    let other = Setup::new().start();
    let answer = import(&other.admin(), json!(["alice"])).await;
    assert_eq!(answer.status(), 412);
    assert_eq!(error_code(answer).await, "PRECONDITION");
    assert_eq!(
        status(&other.person("admin", ADMIN_PASSWORD), "/api/v2.0/ldap/users/search").await,
        400
    );
}
