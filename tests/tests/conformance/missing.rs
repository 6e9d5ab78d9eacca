//! Manifests that are not there, and references that are none.

use roadstead_tests::Server;
use roadstead_tests::content::{random_bytes, rng};

use crate::client::{Call, Client, ONE, server, with_basic, with_tokens};
use crate::cycle::put;
use crate::data::{Algorithm, DataSet, Manifest};
use crate::shape::Shape;
use crate::uploads::{Way, push_ok, remove};

async fn unknown(client: &Client, repository: &str, code: &str) {
    let mut rng = rng();
    let digests = Algorithm::ALL.map(|algorithm| algorithm.digest(&random_bytes(&mut rng, 9)));
    for reference in digests.iter().map(String::as_str).chain(["missing", "missing-tag_1.0"]) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        client.get(&path).await.refuses(404, code);
        client.head(&path).await.expect(404);
        client.delete(&path).await.refuses(404, code);
    }
}

async fn malformed(client: &Client) {
    let mut set = DataSet::new(Algorithm::Sha256);
    Shape::default().image(&mut rng(), &mut set);
    for blob in &set.blobs {
        push_ok(client, ONE, blob, Way::PostPut).await;
    }
    let manifest = &set.manifests[0];
    for reference in ["sha256:baddigeststring", "sha256:", "md5:00"] {
        let path = format!("/v2/{ONE}/manifests/{reference}");
        client.send(put(path.clone(), manifest)).await.refuses(400, "DIGEST_INVALID");
        let got = client.get(&path).await;
        assert!([400, 404].contains(&got.status), "{got:?}");
        let headed = client.head(&path).await;
        assert!([400, 404].contains(&headed.status), "{headed:?}");
    }
    let long = "t".repeat(129);
    for tag in ["-x", ".x", "x%20y", "x+y", &long, "%C3%A9"] {
        let path = format!("/v2/{ONE}/manifests/{tag}");
        let refused = client.send(put(path.clone(), manifest)).await;
        assert!([400, 404].contains(&refused.status), "{refused:?}");
        let got = client.get(&path).await;
        assert!([400, 404].contains(&got.status), "{got:?}");
    }
    for blob in &set.blobs {
        remove(client, ONE, blob).await;
    }
}

/// Bytes that are not what the digest in the path says.
async fn mismatched(client: &Client) {
    for algorithm in Algorithm::ALL {
        let mut set = DataSet::new(algorithm);
        Shape::default().image(&mut rng(), &mut set);
        for blob in &set.blobs {
            push_ok(client, ONE, blob, Way::Stream).await;
        }
        let manifest = &set.manifests[0];
        let mut bytes = manifest.bytes.clone();
        bytes.extend_from_slice(b"  ");
        let spoiled = Manifest { bytes, ..manifest.clone() };
        let refused = client.send(put(manifest.path(ONE), &spoiled)).await;
        refused.refuses(400, "DIGEST_INVALID");
        client.get(&manifest.path(ONE)).await.refuses(404, "MANIFEST_UNKNOWN");
        for blob in &set.blobs {
            remove(client, ONE, blob).await;
        }
    }
}

async fn manifests_that_are_not_there_and_references_that_are_none_are_told_apart(server: &Server) {
    for client in [with_tokens(server), with_basic(server)] {
        malformed(&client).await;
        mismatched(&client).await;
        unknown(&client, ONE, "MANIFEST_UNKNOWN").await;
        unknown(&client, "conformance/never", "NAME_UNKNOWN").await;
    }
}

async fn a_tag_may_have_128_characters_of_any_allowed_kind(server: &Server) {
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let image = Shape::default().image(&mut rng(), &mut set);
    let hex = set.manifests[0].digest.replace(':', "-");
    let longest = format!("A{}", "z_.-9".repeat(25)) + "az";
    assert_eq!(longest.len(), 128);
    for tag in [longest.as_str(), "_", "0", "latest", &hex, &format!("{hex}.sig"), "v1.0_build.3"] {
        set.tag(tag, &image);
    }
    crate::cycle::run(&client, ONE, &set).await;
    let call = Call::new("GET", format!("/v2/{ONE}/tags/list"));
    assert_eq!(client.send(call).await.expect(200).list("tags"), [""; 0]);
}

#[tokio::test]
async fn references_are_found_missing_or_malformed() {
    let server = server().await;
    a_tag_may_have_128_characters_of_any_allowed_kind(&server).await;
    manifests_that_are_not_there_and_references_that_are_none_are_told_apart(&server).await;
}
