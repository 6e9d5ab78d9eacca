//! What one tenant learns of another, and gets of theirs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::seq::SliceRandom as _;
use reqwest::Response;
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::content::{self, INDEX, MANIFEST, descriptor, sha256};
use roadstead_tests::http::{Person, header, with_query};
use serde_json::{Value, json};

use crate::{Tenants, median};

const FOREIGN: &[u8] = b"a layer of hers";

/// Headers that are different in each answer.
const VARYING: [&str; 5] =
    ["x-request-id", "date", "docker-upload-uuid", "location", "docker-content-digest"];

/// Everything that an answer says, without what differs in each, and without the digest.
async fn said(answer: Response, digest: &str) -> String {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut names: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !VARYING.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    names.sort();
    let text = answer.text().await.unwrap();
    format!("{status} {names:?} {text}").replace(digest, "<digest>")
}

/// Asks the same of a blob that another tenant has, and of one that nobody has.
async fn compare(
    person: &Person,
    what: &str,
    ask: impl AsyncFn(&Person, &str, &[u8]) -> Response,
) -> String {
    let unknown = b"a layer of none";
    let known = ask(person, &sha256(FOREIGN), FOREIGN).await;
    let known = said(known, &sha256(FOREIGN)).await;
    let other = ask(person, &sha256(unknown), unknown).await;
    let other = said(other, &sha256(unknown)).await;
    assert_eq!(known, other, "{what}");
    known
}

async fn send(person: &Person, method: &str, path: String) -> Response {
    person.send(method, &path).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_another_tenant_is_answered_like_one_that_nobody_has() {
    let tenants = Tenants::new().await;
    let mallory = &tenants.mallory;
    for (method, path) in [
        ("HEAD", "blobs/{}"),
        ("GET", "blobs/{}"),
        ("DELETE", "blobs/{}"),
        ("GET", "manifests/{}"),
        ("HEAD", "manifests/{}"),
        ("DELETE", "manifests/{}"),
        ("GET", "referrers/{}"),
        ("POST", "blobs/uploads/?mount={}"),
        ("POST", "blobs/uploads/?mount={}&from=hers/app"),
        ("POST", "blobs/uploads/?mount={}&from=none/app"),
    ] {
        compare(mallory, path, async |person, digest, _| {
            let path = format!("/v2/his/app/{}", path.replace("{}", digest));
            send(person, method, path).await
        })
        .await;
    }
    // Nor does naming it in a manifest help, wherever it stands.
    for (media_type, at) in [(MANIFEST, "config"), (MANIFEST, "layers"), (INDEX, "manifests")] {
        let text = compare(mallory, at, async |person, digest, bytes| {
            let entry = json!({"mediaType": MANIFEST, "digest": digest, "size": bytes.len()});
            let mut manifest = content::image(b"{}", &[]);
            if at == "manifests" {
                manifest = content::index(&[entry]);
            } else {
                person.push_blob("his/app", b"{}").await;
                manifest[at] = if at == "layers" { json!([entry]) } else { entry };
            }
            person.put_manifest("his/app", "x", media_type, manifest.to_string()).await
        })
        .await;
        assert!(text.starts_with("404") || text.starts_with("400"), "{at}: {text}");
    }
    let text = compare(mallory, "POST with a digest", async |person, digest, _| {
        let path = format!("/v2/his/app/blobs/uploads/?digest={digest}");
        person.send("POST", &path).body("").send().await.unwrap()
    })
    .await;
    assert!(text.starts_with("400"), "a blob without its bytes: {text}");
    // What is pushed as a subject is not shown to be there.
    let subject = |bytes: &[u8]| descriptor(MANIFEST, bytes);
    compare(mallory, "subject", async |person, _, bytes| {
        let mut manifest = content::image(b"{}", &[]);
        manifest["subject"] = subject(bytes);
        person
            .put_manifest("his/app", &format!("s{}", bytes.len()), MANIFEST, manifest.to_string())
            .await
    })
    .await;
}

/// Announces all of a blob, sends half of it, and looks at what is answered before the rest.
fn half_sent(tenants: &Tenants, location: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(tenants.server.address()).unwrap();
    let credentials = STANDARD.encode(format!("mallory:{PASSWORD}"));
    let path = with_query(location, &format!("digest={}", sha256(bytes)));
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\
         Content-Length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let mut early = [0; 64];
    assert!(stream.read(&mut early).is_err(), "an answer before the bytes were sent");
    stream.write_all(&bytes[bytes.len() / 2..]).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let n = stream.read(&mut early).unwrap();
    String::from_utf8_lossy(&early[..n]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_uploads_what_is_there_already_sends_all_of_it_and_pays_for_it() {
    let tenants = Tenants::new().await;
    let (alice, mallory) = (&tenants.alice, &tenants.mallory);
    let mut rng = content::rng();
    let foreign = content::random_bytes(&mut rng, 1 << 20);
    let unknown = content::random_bytes(&mut rng, 1 << 20);
    alice.push_blob("hers/app", &foreign).await;
    let used = async || {
        let summary = mallory.read_json("/api/v2.0/projects/his/summary").await;
        summary["quota"]["used"]["storage"].as_i64().expect("bytes in use")
    };
    let mut grown = Vec::new();
    for bytes in [&foreign, &unknown] {
        let before = used().await;
        // Other bytes of the same length are not taken for it.
        let location = mallory.start_upload("his/app").await;
        let url = with_query(&location, &format!("digest={}", sha256(bytes)));
        let wrong = mallory.send("PUT", &url).body(vec![0; bytes.len()]).send().await.unwrap();
        assert_eq!(wrong.status(), 400);
        assert_eq!(
            mallory.status_of("GET", &format!("/v2/his/app/blobs/{}", sha256(bytes))).await,
            404
        );
        let location = mallory.start_upload("his/app").await;
        let answer = half_sent(&tenants, &location, bytes);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        grown.push(used().await - before);
    }
    assert_eq!(grown[0], grown[1], "what each counts in the project");
    assert!(grown[0] >= 1 << 20, "{grown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_a_digest_takes_as_long_whether_another_tenant_has_it() {
    let tenants = Tenants::new().await;
    let holder = tenants
        .server
        .bearer(&tenants.mallory.registry_token("repository:his/app:pull,push").await.0);
    let mut rng = content::rng();
    let mut heard = Vec::new();
    // What else runs on the machine disturbs some rounds; what tells them apart is in each.
    for _ in 0..12 {
        let mut tries: Vec<(bool, String)> = (0..200)
            .map(|n| match n % 2 {
                0 => (true, sha256(FOREIGN)),
                _ => (false, sha256(&content::random_bytes(&mut rng, 16))),
            })
            .collect();
        tries.shuffle(&mut rng);
        let (mut heads, mut mounts) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (known, digest) in &tries {
            for (method, path, times) in [
                ("HEAD", format!("/v2/his/app/blobs/{digest}"), &mut heads),
                ("POST", format!("/v2/his/app/blobs/uploads/?mount={digest}"), &mut mounts),
            ] {
                let began = Instant::now();
                let status = holder.status_of(method, &path).await;
                times[usize::from(*known)].push(began.elapsed().as_secs_f64() * 1e3);
                assert!(matches!(status, 404 | 202), "{status}");
            }
        }
        let close = |times: [Vec<f64>; 2]| {
            let [unknown, known] = times.map(median);
            ((known - unknown).abs() < 0.1 * unknown, format!("{unknown:.2} ms, {known:.2} ms"))
        };
        let (heads, mounts) = (close(heads), close(mounts));
        if heads.0 && mounts.0 {
            return;
        }
        heard.push((heads.1, mounts.1));
    }
    panic!("medians of unknown and of known digests: {heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_another_tenant_is_not_there_whatever_the_path() {
    let tenants = Tenants::new().await;
    let location = tenants.alice.start_upload("hers/app").await;
    let id = location.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    assert!(id.len() >= 32, "an id that can be guessed: {id}");
    let finish = format!("?digest={}", sha256(b"x"));
    for path in [
        format!("/v2/his/app/blobs/uploads/{id}"),
        format!("/v2/his/other/blobs/uploads/{id}"),
        format!("/v2/library/app/blobs/uploads/{id}"),
        format!("/v2/hers/app/blobs/uploads/{id}"),
    ] {
        for method in ["GET", "HEAD", "PATCH", "PUT", "DELETE"] {
            let url = format!("{path}{}", if method == "PUT" { &finish } else { "" });
            let answer = tenants.mallory.send(method, &url).body("x").send().await.unwrap();
            assert!(matches!(answer.status().as_u16(), 401 | 404), "{method} {url}");
        }
    }
    // A developer in the same project has sessions of her own.
    let admin = tenants.server.admin();
    admin.create_user("dora").await;
    tenants.alice.add_member("hers", "dora", 2, "").await;
    let dora = tenants.server.person("dora", PASSWORD);
    assert_eq!(dora.status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(dora.status_of(method, &location).await, 404, "{method}");
    }
    let mine = tenants.alice.get(&location).await;
    assert_eq!(header(&mine, "range"), "0-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_some_repositories_learns_nothing_of_the_others() {
    let tenants = Tenants::new().await;
    let (alice, admin) = (&tenants.alice, tenants.server.admin());
    for repository in ["hers/web", "hers/web-canary/deep", "hers/canary"] {
        alice.push_image(repository, "v1", FOREIGN).await;
    }
    admin.create_user("paul").await;
    alice.add_member("hers", "paul", 3, "web").await;
    let paul = tenants.server.person("paul", PASSWORD);
    assert_eq!(paul.status_of("GET", "/v2/hers/web/manifests/v1").await, 200);
    for other in ["app", "canary", "web-canary/deep", "nothing"] {
        let path = format!("/v2/hers/{other}/manifests/v1");
        assert_eq!(paul.status_of("GET", &path).await, 401, "{other}");
    }
    let digest = sha256(FOREIGN);
    let catalog = paul.read_json("/v2/_catalog").await;
    assert_eq!(catalog["repositories"], json!(["hers/web"]));
    for path in [
        "/api/v2.0/projects",
        "/api/v2.0/projects/hers",
        "/api/v2.0/projects/hers/summary",
        "/api/v2.0/projects/hers/repositories",
        "/api/v2.0/repositories",
        "/api/v2.0/search?q=a",
        "/api/v2.0/audit-logs",
        "/api/v2.0/auditlog-exts",
        "/api/v2.0/statistics",
    ] {
        let answer = paul.get(path).await;
        let headers = format!("{:?}", answer.headers());
        let text = format!("{headers} {}", answer.text().await.unwrap());
        assert!(!text.contains("canary"), "{path}: {text}");
    }
    let listed: Value = paul.read_json("/api/v2.0/projects/hers/repositories").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    // A blob that is linked in both is his only where he may pull.
    for (repository, status) in [("web", 200), ("canary", 401)] {
        let path = format!("/v2/hers/{repository}/blobs/{digest}");
        assert_eq!(paul.status_of("GET", &path).await, status, "{repository}");
    }
}
