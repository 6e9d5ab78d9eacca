//! Deleting, bringing back, pushing and collecting at the same time.

use rand::Rng as _;
use roadstead_tests::content::{MANIFEST, rng, sha256};
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use super::stage::{blob, collect, deleted, pull, restore, setup, team};

const APP: &str = "team/app";
const ROUNDS: usize = 40;
/// Two images that share this layer.
const SHARED: &[u8] = b"a layer that all images share";

/// What one of many does; statuses that say that somebody else was faster are fine, failures of the
/// server are not.
async fn act(person: &Person, what: u32, manifests: &[(Vec<u8>, String)]) {
    let (bytes, digest) = &manifests[usize::try_from(what).unwrap() % manifests.len()];
    let status = match what % 5 {
        0 | 1 => person.delete(&format!("/v2/{APP}/manifests/{digest}")).await.status(),
        2 => person.delete(&format!("/v2/{APP}/manifests/v1")).await.status(),
        3 => person.put_manifest(APP, "v1", MANIFEST, bytes.clone()).await.status(),
        _ => {
            let found = deleted(person, "artifacts").await;
            let Some(one) = found.first() else { return };
            let path = format!("/projects/team/deleted/artifacts/{}/restore", one["id"]);
            person.call("POST", &path, &Value::Null).await.status()
        }
    };
    assert!(!status.is_server_error(), "{what}: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_there_or_kept_ever_lacks_a_byte() {
    let (server, alice) = team(setup()).await;
    let mut manifests = Vec::new();
    for config in [&b"{\"a\":1}"[..], b"{\"b\":2}"] {
        alice.push_blob(APP, config).await;
        alice.push_blob(APP, SHARED).await;
        let bytes = roadstead_tests::content::image(config, &[SHARED]).to_string().into_bytes();
        let put = alice.put_manifest(APP, "v1", MANIFEST, bytes.clone()).await;
        assert_eq!(put.status(), 201);
        let digest = sha256(&bytes);
        manifests.push((bytes, digest));
    }
    let mut random = rng();
    for round in 0..ROUNDS {
        let whats: Vec<u32> = (0..6).map(|_| random.random_range(0..10)).collect();
        let acts = whats.iter().map(|what| act(&alice, *what, &manifests));
        if round % 4 == 0 {
            let (_, _) = tokio::join!(
                futures_util::future::join_all(acts),
                collect(&server, json!({"delete_untagged": true}))
            );
        } else {
            futures_util::future::join_all(acts).await;
        }
    }
    // Whatever is kept comes back whole.
    for one in deleted(&alice, "artifacts").await {
        let path = format!("/projects/team/deleted/artifacts/{}/restore", one["id"]);
        let status = alice.status("POST", &path, &Value::Null).await;
        assert!(status == 200 || status == 404, "{status}: brought back with another");
    }
    for (bytes, digest) in &manifests {
        if pull(&alice, APP, digest).await.is_none() {
            // Collected while no tag was deleted that named it: then it was not deleted by anybody.
            continue;
        }
        assert_eq!(pull(&alice, APP, digest).await.unwrap().0, *bytes);
        assert_eq!(blob(&alice, APP, &sha256(SHARED)).await.as_deref(), Some(SHARED));
    }
    let (_, digest) = alice.push_image(APP, "last", b"last").await;
    super::stage::delete(&alice, APP, &digest).await;
    let found = deleted(&alice, "artifacts").await;
    let last = found.iter().find(|one| one["digest"] == digest.as_str()).unwrap();
    restore(&alice, "artifacts", &last["id"]).await;
}
