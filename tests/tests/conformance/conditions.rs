//! Conditional requests: content that a client has already, and tags that must not have moved.

use roadstead_tests::Server;
use roadstead_tests::content::{random_bytes, rng, sha256};

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_tokens};
use crate::cycle::{self, put};
use crate::data::{Algorithm, Blob, DataSet, Manifest};
use crate::shape::{Shape, tagged_image};
use crate::uploads::{Way, push_ok};

/// Whoever has the content is told so, in every spelling; whoever has other content gets it.
async fn known_content_is_not_sent(client: &Client, path: &str, digest: &str, bytes: &[u8]) {
    let (other, etag) = (sha256(b"other"), format!("\"{digest}\""));
    for known in [
        etag.clone(),
        digest.to_owned(),
        format!("W/{etag}"),
        format!("\"{other}\", {etag}"),
        "*".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let call = Call::new(method, path).with("if-none-match", &known);
            let answer = client.send(call).await.expect(304);
            answer.has("etag", &etag).has("docker-content-digest", digest).holds(b"");
        }
    }
    for unknown in [format!("\"{other}\""), other.clone(), "\"\"".to_owned()] {
        let call = Call::new("GET", path).with("if-none-match", unknown);
        client.send(call).await.expect(200).has("etag", &etag).holds(bytes);
    }
    let moment = "Fri, 20 Nov 2026 00:00:00 GMT";
    let call = Call::new("GET", path).with("if-modified-since", moment);
    client.send(call).await.expect(200).holds(bytes);
}

async fn content_that_a_client_has_is_not_sent_again(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let mut set = DataSet::new(algorithm);
        set.tag_parameter = true;
        let image = Shape::default().image(&mut rng, &mut set);
        set.tag("tag", &image);
        cycle::push(&client, ONE, &set).await;
        let manifest = &set.manifests[0];
        for path in [manifest.path(ONE), format!("/v2/{ONE}/manifests/tag")] {
            known_content_is_not_sent(&client, &path, &manifest.digest, &manifest.bytes).await;
        }
        let blob = &set.blobs[0];
        known_content_is_not_sent(&client, &blob.path(ONE), &blob.digest, &blob.bytes).await;
    }
}

/// Puts a manifest under a tag on a condition.
async fn on(client: &Client, tag: &str, manifest: &Manifest, header: &str, value: &str) -> Answer {
    let target = format!("/v2/{ONE}/manifests/{tag}");
    client.send(put(target, manifest).with(header, value)).await
}

async fn a_tag_moves_only_if_it_names_what_the_client_expects(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let sets = [(); 2].map(|()| tagged_image(&mut rng, &Shape::default(), "first"));
    cycle::push(&client, ONE, &sets[0]).await;
    let mut untagged = sets[1].clone();
    untagged.tags.clear();
    cycle::push(&client, ONE, &untagged).await;
    let [first, second] = [&sets[0].manifests[0], &sets[1].manifests[0]];
    let now = async |tag: &str| client.head(&format!("/v2/{ONE}/manifests/{tag}")).await;
    let etag = |manifest: &Manifest| format!("\"{}\"", manifest.digest);

    on(&client, "first", second, "if-match", &etag(second)).await.expect(412);
    on(&client, "first", second, "if-none-match", "*").await.expect(412);
    now("first").await.expect(200).has("docker-content-digest", &first.digest);
    on(&client, "new", first, "if-match", "*").await.expect(412);
    on(&client, "new", first, "if-match", &etag(first)).await.expect(412);
    now("new").await.expect(404);

    let etag_served = now("first").await.header("etag").to_owned();
    on(&client, "first", second, "if-match", &etag_served).await.expect(201);
    now("first").await.expect(200).has("docker-content-digest", &second.digest);
    on(&client, "first", first, "if-match", &second.digest).await.expect(201);
    on(&client, "first", second, "if-match", "*").await.expect(201);
    on(&client, "new", first, "if-none-match", "*").await.expect(201);
    on(&client, "new", first, "if-none-match", "*").await.expect(412);
    let either = format!("{}, {}", etag(second), etag(first));
    on(&client, "new", second, "if-match", &either).await.expect(201);
    now("new").await.expect(200).has("docker-content-digest", &second.digest);
}

async fn a_refused_condition_leaves_nothing_behind(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_image(&mut rng, &Shape::default(), "tag");
    cycle::push(&client, ONE, &set).await;
    let other = tagged_image(&mut rng, &Shape::default(), "tag");
    for blob in &other.blobs {
        push_ok(&client, ONE, blob, Way::PostPut).await;
    }
    let refused = on(&client, "tag", &other.manifests[0], "if-none-match", "*").await.expect(412);
    refused.codes();
    client.get(&other.manifests[0].path(ONE)).await.refuses(404, "MANIFEST_UNKNOWN");
    // One of several tags that may not move keeps all of them.
    let target = format!("{}?tag=free&tag=tag", other.manifests[0].path(ONE));
    let call = put(target, &other.manifests[0]).with("if-none-match", "*");
    client.send(call).await.expect(412);
    client.head(&format!("/v2/{ONE}/manifests/free")).await.expect(404);
}

async fn one_of_many_writers_of_a_new_tag_wins(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let sets = [(); 8].map(|()| tagged_image(&mut rng, &Shape::default(), "contested"));
    for set in &sets {
        for blob in &set.blobs {
            push_ok(&client, ONE, blob, Way::PostPut).await;
        }
    }
    let writers =
        sets.iter().map(|set| on(&client, "contested", &set.manifests[0], "if-none-match", "*"));
    let answers = futures_util::future::join_all(writers).await;
    let won: Vec<usize> = (0..8).filter(|n| answers[*n].status == 201).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [201, 412].contains(&answer.status)), "{answers:?}");
    let named = client.head(&format!("/v2/{ONE}/manifests/contested")).await.expect(200);
    named.has("docker-content-digest", &sets[won[0]].manifests[0].digest);
}

#[tokio::test]
async fn conditions_on_writing_are_kept() {
    let server = server().await;
    a_tag_moves_only_if_it_names_what_the_client_expects(&server).await;
    a_refused_condition_leaves_nothing_behind(&server).await;
    one_of_many_writers_of_a_new_tag_wins(&server).await;
}

async fn a_range_is_served_only_of_the_content_that_the_client_began(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let blob = Blob::of(algorithm, &random_bytes(&mut rng, 5000));
        push_ok(&client, ONE, &blob, Way::PostPut).await;
        let get = |condition: String| {
            let call = Call::new("GET", blob.path(ONE)).with("range", "bytes=100-199");
            client.send(call.with("if-range", condition))
        };
        let same = get(format!("\"{}\"", blob.digest)).await.expect(206);
        same.has("content-range", "bytes 100-199/5000").holds(&blob.bytes[100..200]);
        for other in [sha256(b"other"), "Fri, 20 Nov 2026 00:00:00 GMT".to_owned()] {
            let whole = get(format!("\"{other}\"")).await.expect(200);
            whole.lacks("content-range").holds(&blob.bytes);
        }
    }
}

#[tokio::test]
async fn conditions_on_reading_are_kept() {
    let server = server().await;
    content_that_a_client_has_is_not_sent_again(&server).await;
    a_range_is_served_only_of_the_content_that_the_client_began(&server).await;
}
