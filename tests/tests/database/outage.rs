//! A database that cannot be reached: 503 with Retry-After, never a wrong answer, and no operator.

use std::time::{Duration, Instant};

use roadstead_tests::http::{Person, header, with_query};
use roadstead_tests::proxy::Fault;
use roadstead_tests::{Server, content, free_port};
use serde_json::Value;

use crate::{Behind, RECOVERY, left_out, until_it_works};

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// What is answered without the database, in front of it.
const STATIC: &[&str] = &["/api/v2.0/ping", "/api/v2.0/openapi.json"];

/// Every route, with parameters that name something or nothing.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        for method in item.as_object().unwrap().keys() {
            if ["get", "put", "post", "delete", "patch", "head"].contains(&method.as_str()) {
                routes.push((method.to_uppercase(), filled.join("/")));
            }
        }
    }
    let digest = content::sha256(b"x");
    for (method, path) in [
        ("GET", "/v2/".to_owned()),
        ("GET", "/v2/_catalog".to_owned()),
        ("GET", "/v2/library/app/tags/list".to_owned()),
        ("GET", "/v2/library/app/manifests/v1".to_owned()),
        ("HEAD", "/v2/library/app/manifests/v1".to_owned()),
        ("PUT", "/v2/library/app/manifests/v1".to_owned()),
        ("DELETE", "/v2/library/app/manifests/v1".to_owned()),
        ("GET", format!("/v2/library/app/blobs/{digest}")),
        ("HEAD", format!("/v2/library/app/blobs/{digest}")),
        ("DELETE", format!("/v2/library/app/blobs/{digest}")),
        ("POST", "/v2/library/app/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/library/app/blobs/uploads/?mount={digest}&from=library/other")),
        ("GET", format!("/v2/library/app/referrers/{digest}")),
        ("GET", "/service/token?service=harbor-registry&scope=registry:catalog:*".to_owned()),
    ] {
        routes.push((method.to_owned(), path));
    }
    routes
}

/// Sends every route at once, and returns those whose answer is not what it must be.
async fn wrong_answers(people: &[(&str, Person)]) -> Vec<String> {
    let mut requests = Vec::new();
    for (who, person) in people {
        for (method, path) in routes() {
            let (who, person) = ((*who).to_owned(), person.clone());
            requests.push(tokio::spawn(async move {
                let answer = person.send(&method, &path).send().await.unwrap();
                let (status, retry) = (answer.status(), answer.headers().get("retry-after"));
                // Many at once may also be told that there are too many of them.
                let right = matches!(status.as_u16(), 503 | 429) && retry.is_some();
                let right = right || STATIC.contains(&path.as_str());
                (!right).then(|| format!("{who}: {method} {path}: {status}"))
            }));
        }
    }
    let mut wrong = Vec::new();
    for request in requests {
        wrong.extend(request.await.unwrap());
    }
    wrong
}

async fn probe(port: u16, path: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://127.0.0.1:{port}/{path}")).send().await;
    answer.unwrap().status().as_u16()
}

struct Stage {
    // Checked at its end through the proxy, which is dropped after it.
    server: Server,
    probes: u16,
    behind: Behind,
}

impl Stage {
    async fn new() -> Self {
        let (behind, probes) = (Behind::start(), free_port());
        let setup = behind.setup().env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{probes}"));
        let server = setup.start();
        server.admin().push_image("library/app", "v1", b"a layer").await;
        assert_eq!(probe(probes, "readyz").await, 200);
        Self { server, probes, behind }
    }
}

const IMAGE: &str = "/v2/library/app/manifests/v1";

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_every_route_says_come_back_later_and_nothing_else() {
    if left_out() {
        return;
    }
    let stage = Stage::new().await;
    let admin = stage.server.admin();
    let (token, _) = admin.token("repository:library/app:pull,push").await;
    let session = stage.server.log_in("admin", roadstead_tests::ADMIN_PASSWORD).await;
    for fault in [Fault::Refuse, Fault::Stall] {
        stage.behind.proxy.set(fault.clone());
        // What was read of the configuration is believed for two seconds.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let browser = stage.server.browser(&session.cookie);
        let people = [
            ("admin", admin.clone()),
            ("token", stage.server.bearer(&token)),
            ("browser", browser),
        ];
        let wrong = wrong_answers(&people[..1]).await;
        assert_eq!(wrong, Vec::<String>::new(), "{fault:?}");
        let reads = [("token", IMAGE), ("browser", "/api/v2.0/users/current")];
        for (who, path) in reads {
            let (_, person) = people.iter().find(|(name, _)| *name == who).unwrap();
            let answer = person.get(path).await;
            assert_eq!(answer.status(), 503, "{who} {fault:?}");
            header(&answer, "retry-after");
        }
        assert_eq!(probe(stage.probes, "livez").await, 200, "{fault:?}");
        assert_eq!(probe(stage.probes, "readyz").await, 503, "{fault:?}");
        stage.behind.proxy.set(Fault::None);
        let took = until_it_works(&stage.server, IMAGE).await;
        assert!(took < RECOVERY, "{took:?} after {fault:?}");
        let since = Instant::now();
        while probe(stage.probes, "readyz").await != 200 {
            assert!(since.elapsed() < RECOVERY, "not ready after {fault:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(session.is_logged_in().await, "the session is as good as before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_the_database_was_away() {
    if left_out() {
        return;
    }
    let stage = Stage::new().await;
    let admin = stage.server.admin();
    let blob = content::random_bytes(&mut content::rng(), 300_000);
    let location = admin.start_upload("library/app").await;
    let patch = |location: String, range: std::ops::Range<usize>| {
        let request = admin.send("PATCH", &location).body(blob[range.clone()].to_vec());
        let range = format!("{}-{}", range.start, range.end - 1);
        request.header("content-range", range).send()
    };
    let answer = patch(location.clone(), 0..100_000).await.unwrap();
    assert_eq!(answer.status(), 202);
    let location = header(&answer, "location");
    stage.behind.proxy.set(Fault::Refuse);
    let answer = patch(location.clone(), 100_000..200_000).await.unwrap();
    assert_eq!(answer.status(), 503);
    stage.behind.proxy.set(Fault::None);
    until_it_works(&stage.server, IMAGE).await;
    let answer = patch(location, 100_000..300_000).await.unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    let digest = content::sha256(&blob);
    let finish = with_query(&header(&answer, "location"), &format!("digest={digest}"));
    assert_eq!(admin.send("PUT", &finish).send().await.unwrap().status(), 201);
    let answer = admin.get(&format!("/v2/library/app/blobs/{digest}")).await;
    assert_eq!(answer.bytes().await.unwrap(), blob);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_at_any_byte_are_made_again() {
    if left_out() {
        return;
    }
    let stage = Stage::new().await;
    let admin = stage.server.admin();
    for bytes in [1, 300, 500, 700, 1000, 3000] {
        stage.behind.proxy.cut();
        stage.behind.proxy.set(Fault::CutAfter(bytes));
        for _ in 0..4 {
            let status = admin.get(IMAGE).await.status().as_u16();
            assert!(matches!(status, 200 | 503), "{status} after {bytes} bytes");
        }
        stage.behind.proxy.set(Fault::None);
        let took = until_it_works(&stage.server, IMAGE).await;
        assert!(took < RECOVERY, "{took:?}");
    }
}
