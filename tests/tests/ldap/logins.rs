//! Who is let in.

use roadstead_tests::Setup;
use roadstead_tests::slapd::{PASSWORD, PEOPLE, SEARCH_PASSWORD, Slapd, user_dn};
use serde_json::{Value, json};

use super::stage::{
    browser_login, current, docker_login, refresh, settings, status, with_directory,
};

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
    let query = "SELECT actor, operation FROM audit_log
                 WHERE resource_type = 'user' AND resource = 'alice' ORDER BY id";
    let rows: Vec<(String, String)> = server.database().await.rows(query, &[]).await;
    let rows: Vec<_> = rows.iter().map(|(who, what)| (who.as_str(), what.as_str())).collect();
    assert_eq!(rows, [("alice", "create"), ("alice", "login")]);
    let log = server.log();
    server.dump_rows();
    let kept = if server.is_on_postgres() { "dump.sql" } else { "roadstead.db" };
    let database = std::fs::read(server.data().join(kept)).unwrap();
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
    let database = server.database().await;
    let people = database.number("SELECT COUNT(*) FROM user_account").await;
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
async fn an_account_with_a_password_here_is_nobody_elses() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    // Made before the mode; an overwrite may change that at any time.
    let mut server = Setup::new().start();
    server.admin().create_user("alice").await;
    server.kill();
    let data = tempfile::tempdir().unwrap();
    std::fs::rename(server.data(), data.path().join("data")).unwrap();
    server.damaged_on_purpose();
    let server = Setup::new()
        .data(&data.path().join("data"))
        .database_of(&server)
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
