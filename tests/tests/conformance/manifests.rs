//! Manifests as clients ask for them, and the limits of pushing them.

use std::collections::BTreeSet;

use roadstead_tests::Server;
use roadstead_tests::content::{INDEX, MANIFEST, rng};
use serde_json::json;

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_tokens};
use crate::cycle::{self, published, put};
use crate::data::{Algorithm, DataSet, Manifest};
use crate::raw;
use crate::shape::{Shape, tagged_image, tagged_index};
use crate::uploads::{Way, push_ok};

const SCHEMA_ONE: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// `Accept` as clients send it: the lines of each.
fn accepts() -> Vec<Vec<String>> {
    let all = [DOCKER, MANIFEST, SCHEMA_ONE, LIST, INDEX, "application/json"];
    vec![
        vec!["*/*".to_owned()],
        vec!["application/json".to_owned()],
        all.map(str::to_owned).to_vec(),
        vec![all.join(", ")],
        vec![all.join(",") + ", */*"],
        vec![format!("{INDEX};q=1.0, {MANIFEST};q=0.5")],
        vec!["application/vnd.oci.image.layer.v1.tar+gzip, */*".to_owned()],
        // None of these is what is stored; it is served all the same.
        vec![SCHEMA_ONE.to_owned()],
        vec!["text/html".to_owned()],
    ]
}

fn is_whole(answer: Answer, manifest: &Manifest, method: &str) {
    answer
        .expect(200)
        .has("content-type", &manifest.media_type)
        .has("content-length", &manifest.bytes.len().to_string())
        .has("docker-content-digest", &manifest.digest)
        .holds(if method == "GET" { &manifest.bytes } else { &[] });
}

async fn a_manifest_is_served_as_it_was_pushed_whatever_the_client_accepts(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_index(&mut rng, &Shape::default(), "tag");
    cycle::push(&client, ONE, &set).await;
    for manifest in &set.manifests {
        for lines in accepts() {
            for method in ["GET", "HEAD"] {
                let call = Call::new(method, manifest.path(ONE));
                let call = lines.iter().fold(call, |call, line| call.with("accept", line));
                is_whole(client.send(call).await, manifest, method);
            }
        }
        for encoding in ["gzip", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", "gzip, deflate, br", "*"]
        {
            let call = Call::new("GET", manifest.path(ONE)).with("accept-encoding", encoding);
            is_whole(client.send(call).await, manifest, "GET");
            let blob = &set.blobs[0];
            let call = Call::new("GET", blob.path(ONE)).with("accept-encoding", encoding);
            client.send(call).await.expect(200).holds(&blob.bytes);
        }
    }
    let manifest = &set.manifests[0];
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\n\r\n",
        manifest.path(ONE),
        server.host(),
        raw::authorization()
    );
    let answer = raw::exchange(server.address(), request.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&manifest.bytes));
}

async fn a_range_on_a_manifest_is_never_an_error(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_image(&mut rng, &Shape::default(), "tag");
    cycle::push(&client, ONE, &set).await;
    let manifest = &set.manifests[0];
    for path in [manifest.path(ONE), format!("/v2/{ONE}/manifests/tag")] {
        let answer = client.send(Call::new("GET", &path).with("range", "bytes=0-")).await;
        assert!([200, 206].contains(&answer.status), "{answer:?}");
        answer.holds(&manifest.bytes);
    }
}

#[tokio::test]
async fn manifests_are_served_as_they_were_pushed() {
    let server = server().await;
    a_manifest_is_served_as_it_was_pushed_whatever_the_client_accepts(&server).await;
    a_range_on_a_manifest_is_never_an_error(&server).await;
}

/// A manifest whose annotation makes it exactly this long.
fn of_length(set: &mut DataSet, document: &serde_json::Value, length: usize) -> Manifest {
    let mut document = document.clone();
    document["annotations"] = json!({"a": ""});
    let bare = Manifest::of(Algorithm::Sha256, &document).bytes.len();
    document["annotations"] = json!({"a": "x".repeat(length - bare)});
    let manifest = Manifest::of(set.algorithm, &document);
    assert_eq!(manifest.bytes.len(), length);
    manifest
}

async fn manifests_of_four_mebibytes_are_taken_and_larger_ones_refused(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let document = Shape::default().document(&mut rng, &mut set);
    for blob in &set.blobs {
        push_ok(&client, ONE, blob, Way::PostPut).await;
    }
    let most = of_length(&mut set, &document, 4 << 20);
    let over = of_length(&mut set, &document, (4 << 20) + 1);
    for streamed in [false, true] {
        for (manifest, status) in [(&most, 201), (&over, 413)] {
            let call = Call::new("PUT", manifest.path(ONE)).with("content-type", MANIFEST);
            let call =
                if streamed { call.streamed(&manifest.bytes) } else { call.sized(&manifest.bytes) };
            let answer = client.send(call).await.expect(status);
            if status == 413 {
                assert!(["MANIFEST_INVALID", "SIZE_INVALID"].contains(&answer.codes()[0].as_str()));
            }
        }
    }
    client.get(&most.path(ONE)).await.expect(200).holds(&most.bytes);
    client.get(&over.path(ONE)).await.expect(404);
}

async fn with_tags(
    client: &Client,
    manifest: &Manifest,
    reference: &str,
    tags: &[String],
) -> Answer {
    let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    let target = format!("/v2/{ONE}/manifests/{reference}?{}", query.join("&"));
    client.send(put(target, manifest)).await
}

async fn ten_tags_and_more_are_set_in_one_request_and_too_many_refused(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_image(&mut rng, &Shape::default(), "first");
    cycle::push(&client, ONE, &set).await;
    let manifest = &set.manifests[0];
    let tags = |count: usize| (0..count).map(|n| format!("v1.{n}")).collect::<Vec<_>>();
    for count in [1, 10, 50] {
        let answer = with_tags(&client, manifest, &manifest.digest, &tags(count)).await.expect(201);
        published(&client, manifest, &answer).await;
        let told: BTreeSet<String> =
            answer.header("oci-tag").split(", ").map(str::to_owned).collect();
        assert_eq!(told, tags(count).into_iter().collect());
        for tag in tags(count) {
            let named = client.head(&format!("/v2/{ONE}/manifests/{tag}")).await.expect(200);
            named.has("docker-content-digest", &manifest.digest);
        }
    }
    with_tags(&client, manifest, &manifest.digest, &tags(500)).await.expect(414);
    client.head(&format!("/v2/{ONE}/manifests/v1.60")).await.expect(404);
    let unsound = ["good".to_owned(), "-bad".to_owned()];
    with_tags(&client, manifest, &manifest.digest, &unsound).await.expect(400);
    client.head(&format!("/v2/{ONE}/manifests/good")).await.expect(404);
    let both = with_tags(&client, manifest, "main", &["side".to_owned()]).await.expect(201);
    assert!(both.header("oci-tag").split(", ").any(|tag| tag == "side"), "{both:?}");
    client.head(&format!("/v2/{ONE}/manifests/side")).await.expect(200);
}

async fn a_tag_moves_at_once_and_what_it_named_stays(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let sets = [(); 3].map(|()| tagged_image(&mut rng, &Shape::default(), "moving"));
    for round in sets.iter().chain(&sets) {
        cycle::push(&client, ONE, round).await;
        let named = client.get(&format!("/v2/{ONE}/manifests/moving")).await;
        is_whole(named, &round.manifests[0], "GET");
    }
    for set in &sets {
        let answer = client.get(&set.manifests[0].path(ONE)).await;
        is_whole(answer, &set.manifests[0], "GET");
    }
}

#[tokio::test]
async fn tags_are_set_together_and_move_at_once() {
    let server = server().await;
    ten_tags_and_more_are_set_in_one_request_and_too_many_refused(&server).await;
    a_tag_moves_at_once_and_what_it_named_stays(&server).await;
}

async fn a_manifest_is_known_to_its_repository_only(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let sets = [(); 2].map(|()| tagged_image(&mut rng, &Shape::default(), "tag"));
    cycle::push(&client, ONE, &sets[0]).await;
    cycle::push(&client, crate::client::TWO, &sets[1]).await;
    for (set, elsewhere) in [(&sets[0], crate::client::TWO), (&sets[1], ONE)] {
        let path = set.manifests[0].path(elsewhere);
        client.get(&path).await.refuses(404, "MANIFEST_UNKNOWN");
        let blob = set.blobs[0].path(elsewhere);
        client.get(&blob).await.refuses(404, "BLOB_UNKNOWN");
    }
}

#[tokio::test]
async fn manifests_have_a_size_and_a_home() {
    let server = server().await;
    manifests_of_four_mebibytes_are_taken_and_larger_ones_refused(&server).await;
    a_manifest_is_known_to_its_repository_only(&server).await;
}
