//! A directory that is away, slow, or somebody else.

use std::time::{Duration, Instant};

use roadstead_tests::slapd::PASSWORD;
use serde_json::{Value, json};

use super::stage::{
    browser_login, configure, docker_login, refresh, settings, status, with_directory,
};

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
    let query = "SELECT COUNT(*) FROM audit_log WHERE resource_type = 'user'
                   AND resource = 'alice'";
    assert_eq!(server.database().await.number(query).await, 1, "the account was made once");
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
