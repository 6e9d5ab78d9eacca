//! Storage limits of projects: never passed, never miscounted, in Harbor's words.

use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::{Person, error_code, header, with_query};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const QUOTAS: &str = "/api/v2.0/quotas";
/// What every image here has beside its layer.
const CONFIG: &[u8] = b"{}";

/// A server with a private project `team` of alice's, whose id is 2.
async fn team() -> (Server, Person) {
    let server = Setup::new().start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", "Password-1");
    alice.create_project("team", false).await;
    (server, alice)
}

async fn limit(admin: &Person, bytes: i64) {
    let body = json!({"hard": {"storage": bytes}});
    let answer = admin.send("PUT", &format!("{QUOTAS}/2")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn json_of(person: &Person, path: &str) -> Value {
    let answer = person.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

async fn used(admin: &Person) -> i64 {
    json_of(admin, &format!("{QUOTAS}/2")).await["used"]["storage"].as_i64().unwrap()
}

/// Uploads a blob in one piece; the status and the text of the answer that decided.
async fn upload(person: &Person, repository: &str, bytes: &[u8]) -> (u16, String) {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let opened = person.send("POST", &path).send().await.unwrap();
    if opened.status() != 202 {
        return (opened.status().as_u16(), opened.text().await.unwrap());
    }
    let location = header(&opened, "location");
    let url = with_query(&location, &format!("digest={}", sha256(bytes)));
    let answer = person.send("PUT", &url).body(bytes.to_vec()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn assert_over((status, text): &(u16, String), what: &str) {
    assert_eq!(*status, 403, "{what}: {text}");
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!(body["errors"][0]["code"], "DENIED", "{what}");
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("will exceed the configured upper limit of"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_read_and_set_as_in_harbor() {
    let (server, alice) = team().await;
    let admin = server.admin();
    let mut found = json_of(&admin, &format!("{QUOTAS}/2")).await;
    for time in ["creation_time", "update_time"] {
        let time = found.as_object_mut().unwrap().remove(time).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    let expected = json!({
        "id": 2, "ref": {"id": 2, "name": "team", "owner_name": "alice"},
        "hard": {"storage": -1}, "used": {"storage": 0},
    });
    assert_eq!(found, expected);
    limit(&admin, 1 << 50).await;
    for (body, expected) in [
        (json!({"hard": {"storage": 0}}), 400),
        (json!({"hard": {"storage": -2}}), 400),
        (json!({"hard": {"storage": (1_i64 << 50) + 1}}), 400),
        (json!({"hard": {"storage": 1, "count": 1}}), 400),
        (json!({"hard": {}}), 400),
        (json!({}), 400),
        (json!({"hard": {"storage": "1"}}), 422),
    ] {
        let request = admin.send("PUT", &format!("{QUOTAS}/2")).json(&body);
        assert_eq!(request.send().await.unwrap().status(), expected, "{body}");
    }
    assert_eq!(json_of(&admin, &format!("{QUOTAS}/2")).await["hard"]["storage"], 1_i64 << 50);
    assert_eq!(admin.get(&format!("{QUOTAS}/99")).await.status(), 404);
    assert_eq!(admin.get(&format!("{QUOTAS}/x")).await.status(), 422);
    for path in [QUOTAS.to_owned(), format!("{QUOTAS}/2")] {
        assert_eq!(alice.get(&path).await.status(), 403);
        assert_eq!(server.nobody().get(&path).await.status(), 401);
    }
    alice.push_image("team/app", "v1", b"a layer").await;
    let ids = async |query: &str| {
        let found = json_of(&admin, &format!("{QUOTAS}{query}")).await;
        let ids = found.as_array().unwrap().iter().map(|quota| quota["id"].to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "1 2"),
        ("/?page=1&page_size=100", "1 2"),
        ("?sort=-used.storage", "2 1"),
        ("?sort=hard.storage", "1 2"),
        ("?sort=-hard.storage", "2 1"),
        ("?reference=project&reference_id=2", "2"),
        ("?reference=project&reference_id=99", ""),
        ("?reference_id=team", ""),
        ("?reference=user", ""),
        ("?page=2&page_size=1", "2"),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    let list = admin.get(&format!("{QUOTAS}?page_size=1")).await;
    assert_eq!(header(&list, "x-total-count"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_pass_the_limit_is_refused_and_costs_nothing() {
    let (server, alice) = team().await;
    let admin = server.admin();
    limit(&admin, 1000).await;
    assert_over(&upload(&alice, "team/app", &[1; 1001]).await, "an upload");
    assert_eq!(used(&admin).await, 0);
    assert_eq!(upload(&alice, "team/app", &[2; 700]).await.0, 201);
    assert_eq!(upload(&alice, "team/other", &[2; 700]).await.0, 201, "the project has it");
    assert_eq!(used(&admin).await, 700);
    assert_over(&upload(&alice, "team/other", &[3; 301]).await, "a second upload");
    assert_eq!(upload(&alice, "team/app", CONFIG).await.0, 201);
    // A manifest counts, too.
    let mut manifest = content::image(CONFIG, &[&[2; 700]]);
    manifest["annotations"] = json!({"long": "x".repeat(300)});
    let answer = alice.put_manifest("team/app", "v1", MANIFEST, manifest.to_string()).await;
    assert_over(&(answer.status().as_u16(), answer.text().await.unwrap()), "a manifest");
    // So does what is mounted from another project.
    alice.create_project("source", false).await;
    let digest = alice.push_blob("source/app", &[4; 400]).await;
    let path = format!("/v2/team/app/blobs/uploads/?mount={digest}&from=source/app");
    let answer = alice.send("POST", &path).send().await.unwrap();
    assert_over(&(answer.status().as_u16(), answer.text().await.unwrap()), "a mount");
    assert_eq!(used(&admin).await, 702);
    // A limit below what is used refuses more and removes nothing.
    limit(&admin, 10).await;
    assert_over(&upload(&alice, "team/app", b"x").await, "one more byte");
    let there = alice.head(&format!("/v2/team/app/blobs/{}", sha256(&[2; 700]))).await;
    assert_eq!(there.status(), 200);
    let answer = alice.delete(&format!("/v2/team/other/blobs/{}", sha256(&[2; 700]))).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(used(&admin).await, 702, "the other repository has it still");
    limit(&admin, -1).await;
    assert_eq!(upload(&alice, "team/app", &[5; 5000]).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_near_the_limit_leaves_one_warning() {
    let (server, alice) = team().await;
    let admin = server.admin();
    limit(&admin, 1000).await;
    let warnings = async || {
        let found = json_of(&admin, "/api/v2.0/auditlog-exts?page_size=100").await;
        let rows = found.as_array().unwrap().iter().filter(|row| row["operation"] == "warn");
        rows.cloned().collect::<Vec<Value>>()
    };
    assert_eq!(upload(&alice, "team/app", &[1; 849]).await.0, 201);
    assert_eq!(warnings().await, Vec::<Value>::new());
    assert_eq!(upload(&alice, "team/app", &[2; 1]).await.0, 201);
    let found = warnings().await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["resource_type"], "quota");
    assert_eq!(found[0]["resource"], "team");
    assert_eq!(found[0]["operation_description"], "850 of 1000 bytes are used");
    assert_eq!(upload(&alice, "team/app", &[3; 100]).await.0, 201);
    assert_eq!(warnings().await.len(), 1, "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_at_the_same_time_never_pass_the_limit() {
    const PUSHES: u8 = 8;
    const SIZE: i64 = 1000;
    let rounds = if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() { 20 } else { 500 };
    let (server, alice) = team().await;
    let admin = server.admin();
    for round in 0..rounds {
        // Room for three and a half of eight blobs.
        let before = used(&admin).await;
        let most = before + 3 * SIZE + SIZE / 2;
        limit(&admin, most).await;
        let pushes = (0..PUSHES).map(|number| {
            let alice = alice.clone();
            tokio::spawn(async move {
                let mut bytes = vec![number; usize::try_from(SIZE).unwrap()];
                bytes[..8].copy_from_slice(&u64::to_le_bytes(round));
                upload(&alice, &format!("team/app{}", number % 3), &bytes).await
            })
        });
        let mut accepted = 0;
        for push in pushes.collect::<Vec<_>>() {
            match push.await.unwrap() {
                (201, _) => accepted += 1,
                refused => assert_over(&refused, "a push"),
            }
        }
        assert_eq!(accepted, 3, "round {round}");
        assert_eq!(used(&admin).await, before + 3 * SIZE, "round {round}");
    }
    // What is counted is what is there: `fsck` counts again when the server ends.
    limit(&admin, -1).await;
    let refused = alice.put_manifest("team/app0", "x", MANIFEST, "{}").await;
    assert_eq!(error_code(refused).await, "MANIFEST_INVALID");
    server.assert_clean(&["--deep"]);
}
