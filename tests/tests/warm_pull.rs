//! A pull that was answered a moment ago is answered from memory, and no memory outlives what it
//! remembers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use roadstead_tests::cast::access;
use roadstead_tests::content::sha256;
use roadstead_tests::figures::statements;
use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};
use serde_json::json;

/// A server on which nothing happens by itself, and the port of its figures.
fn quiet() -> (Server, u16) {
    let port = roadstead_tests::free_port();
    let setup = Setup::new()
        .env("ROADSTEAD_JOB_INTERVAL", "1h")
        .env("ROADSTEAD_SCRUB_INTERVAL", "off")
        .env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{port}"));
    (setup.start(), port)
}

/// What a client asks for when it pulls an image.
async fn pull(person: &Person, paths: &[String]) {
    for path in paths {
        assert_eq!(person.head(path).await.status(), 200, "{path}");
        let answer = person.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_pull_asks_the_database_nothing() {
    let (server, port) = quiet();
    let admin = server.admin();
    let (manifest, digest) = admin.push_image("library/app", "1", b"layer").await;
    assert_eq!(sha256(&manifest), digest);
    let robot = admin.project_robot("library", "puller", "repository:pull").await;
    let (token, _) = server.robot(&robot).registry_token("repository:library/app:pull").await;
    let (anonymous, _) = server.nobody().registry_token("repository:library/app:pull").await;
    let layer = sha256(b"layer");
    let paths = [
        "/v2/library/app/manifests/1".to_owned(),
        format!("/v2/library/app/manifests/{digest}"),
        format!("/v2/library/app/blobs/{layer}"),
    ];
    for (who, person) in [
        ("a token", server.bearer(&token)),
        ("a robot's secret", server.robot(&robot)),
        ("an anonymous token", server.bearer(&anonymous)),
        ("nobody", server.nobody()),
    ] {
        pull(&person, &paths).await;
        let mut least = u64::MAX;
        // Pulls are counted every two seconds, and memory is renewed.
        for _ in 0..20 {
            let before = statements(port).await;
            for _ in 0..10 {
                pull(&person, &paths).await;
            }
            least = least.min(statements(port).await - before);
            if least == 0 {
                break;
            }
        }
        assert_eq!(least, 0, "statements of ten warm pulls with {who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_pull_sees_what_was_changed() {
    let (server, _) = quiet();
    let admin = server.admin();
    admin.create_project("team", true).await;
    admin.create_user("bob").await;
    admin.push_image("team/app", "1", b"one").await;
    let (bob, nobody) = (server.person("bob", "Password-1"), server.nobody());
    let (token, _) = nobody.registry_token("repository:team/app:pull").await;
    let bearer = server.bearer(&token);
    let tag = "/v2/team/app/manifests/1";
    let status = async |person: &Person| person.get(tag).await.status().as_u16();
    for round in 0..3 {
        for person in [&bob, &nobody, &bearer, &admin] {
            assert_eq!(status(person).await, 200, "round {round}");
        }
        // Rights.
        admin.change("PUT", "/projects/team", &json!({"metadata": {"public": "false"}})).await;
        assert_eq!((status(&bob).await, status(&nobody).await), (401, 401), "round {round}");
        assert_eq!((status(&bearer).await, status(&admin).await), (401, 200), "round {round}");
        let member = admin.add_member("team", "bob", 3, "").await;
        assert_eq!(status(&bob).await, 200, "round {round}");
        let path = format!("/projects/team/members/{member}");
        assert_eq!(admin.status("DELETE", &path, &json!(null)).await, 200);
        assert_eq!(status(&bob).await, 401, "round {round}");
        let robot = json!({"name": format!("r{round}"), "level": "project", "duration": -1,
            "permissions": [{"kind": "project", "namespace": "team",
                             "access": access("repository:pull")}]});
        let (_, robot) = admin.make("/robots", &robot).await;
        let name = robot["name"].as_str().unwrap();
        let puller = server.person(name, robot["secret"].as_str().unwrap());
        assert_eq!(status(&puller).await, 200, "round {round}");
        let path = format!("/robots/{}", robot["id"]);
        assert_eq!(admin.status("DELETE", &path, &json!(null)).await, 200);
        assert_eq!(status(&puller).await, 401, "round {round}");
        admin.change("PUT", "/projects/team", &json!({"metadata": {"public": "true"}})).await;
        // Content.
        let layer = format!("layer {round}");
        let (_, digest) = admin.push_image("team/app", "1", layer.as_bytes()).await;
        let answer = nobody.get(tag).await;
        assert_eq!(answer.headers()["docker-content-digest"], digest.as_str(), "round {round}");
        let other = format!("other {round}");
        let (_, digest) = admin.push_image("team/app", "2", other.as_bytes()).await;
        let path = format!("/v2/team/app/manifests/{digest}");
        assert_eq!(nobody.status_of("GET", "/v2/team/app/manifests/2").await, 200);
        assert_eq!(nobody.status_of("GET", &path).await, 200);
        assert_eq!(admin.status_of("DELETE", "/v2/team/app/manifests/2").await, 202);
        assert_eq!(nobody.status_of("GET", "/v2/team/app/manifests/2").await, 404);
        assert_eq!(nobody.status_of("GET", &path).await, 200);
        assert_eq!(admin.status_of("DELETE", &path).await, 202);
        assert_eq!(nobody.status_of("GET", &path).await, 404);
        let loose = admin.push_blob("team/app", format!("loose {round}").as_bytes()).await;
        let path = format!("/v2/team/app/blobs/{loose}");
        assert_eq!(nobody.status_of("GET", &path).await, 200);
        assert_eq!(admin.status_of("DELETE", &path).await, 202);
        assert_eq!(nobody.status_of("GET", &path).await, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moved_is_never_pulled_as_it_was_however_many_pull_it() {
    let (server, _) = quiet();
    let admin = server.admin();
    admin.push_image("library/app", "1", b"first").await;
    let (stop, pulls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let pullers: Vec<_> = (0..4)
        .map(|_| {
            let (person, stop, pulls) = (server.nobody(), stop.clone(), pulls.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(person.status_of("GET", "/v2/library/app/manifests/1").await, 200);
                    pulls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let nobody = server.nobody();
    for round in 0..40 {
        let layer = format!("layer {round}");
        let (_, digest) = admin.push_image("library/app", "1", layer.as_bytes()).await;
        let answer = nobody.get("/v2/library/app/manifests/1").await;
        assert_eq!(answer.headers()["docker-content-digest"], digest.as_str(), "round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    for puller in pullers {
        puller.await.unwrap();
    }
    println!("40 moves among {} pulls", pulls.load(Ordering::Relaxed));
    server.assert_clean(&["--deep"]);
}
