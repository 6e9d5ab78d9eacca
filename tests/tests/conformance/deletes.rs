//! What goes when something is deleted, and what stays.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{ONE, TWO, server, with_tokens};
use crate::cycle::{self, manifests_of};
use crate::data::{Algorithm, Blob, DataSet};
use crate::shape::{Shape, TYPES, tagged_image, tagged_index};
use crate::uploads::{Way, absent, present, push_ok, remove};

fn tag_path(tag: &str) -> String {
    format!("/v2/{ONE}/manifests/{tag}")
}

async fn a_tag_goes_alone_and_a_manifest_takes_its_tags_along(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = tagged_image(&mut rng, &Shape::default(), "a");
    let descriptor = set.manifests[0].descriptor();
    for tag in ["b", "c"] {
        set.tag(tag, &descriptor);
    }
    let other = tagged_image(&mut rng, &Shape::default(), "other");
    cycle::push(&client, ONE, &set).await;
    cycle::push(&client, ONE, &other).await;
    client.delete(&tag_path("a")).await.expect(202);
    client.get(&tag_path("a")).await.refuses(404, "MANIFEST_UNKNOWN");
    client.delete(&tag_path("a")).await.refuses(404, "MANIFEST_UNKNOWN");
    client.get(&set.manifests[0].path(ONE)).await.expect(200);
    client.get(&tag_path("b")).await.expect(200);
    client.delete(&set.manifests[0].path(ONE)).await.expect(202);
    for tag in ["b", "c"] {
        client.head(&tag_path(tag)).await.expect(404);
        client.get(&tag_path(tag)).await.refuses(404, "MANIFEST_UNKNOWN");
    }
    let tags = client.get(&format!("/v2/{ONE}/tags/list")).await.expect(200).list("tags");
    assert_eq!(tags, ["other"]);
    for blob in &set.blobs {
        present(&client, ONE, blob).await;
    }
    client.get(&tag_path("other")).await.expect(200);
}

async fn a_blob_that_is_deleted_here_stays_elsewhere(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let blob = Blob::random(&mut rng, algorithm, 4000);
        push_ok(&client, ONE, &blob, Way::PostPut).await;
        push_ok(&client, TWO, &blob, Way::Chunks).await;
        remove(&client, ONE, &blob).await;
        present(&client, TWO, &blob).await;
        push_ok(&client, ONE, &blob, Way::PostOnly).await;
        remove(&client, TWO, &blob).await;
        absent(&client, TWO, &blob).await;
        present(&client, ONE, &blob).await;
    }
}

async fn the_children_of_a_deleted_index_stay(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_index(&mut rng, &Shape::default(), "index");
    cycle::push(&client, ONE, &set).await;
    let (index, children) = set.manifests.split_last().expect("an index");
    client.delete(&index.path(ONE)).await.expect(202);
    client.head(&tag_path("index")).await.expect(404);
    for child in children {
        client.get(&child.path(ONE)).await.expect(200).holds(&child.bytes);
    }
}

async fn what_something_else_needs_is_not_deleted_in_silence(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_index(&mut rng, &Shape::default(), "index");
    cycle::push(&client, ONE, &set).await;
    for path in [set.manifests[0].path(ONE), set.blobs[0].path(ONE)] {
        let answer = client.delete(&path).await;
        assert!([202, 405, 412].contains(&answer.status), "{answer:?}");
        let expected = if answer.status == 202 { 404 } else { 200 };
        client.head(&path).await.expect(expected);
    }
}

#[tokio::test]
async fn indexes_and_their_children_go_apart() {
    let server = server().await;
    the_children_of_a_deleted_index_stay(&server).await;
    what_something_else_needs_is_not_deleted_in_silence(&server).await;
}

#[tokio::test]
async fn a_deleted_referrer_is_gone_and_a_deleted_subject_keeps_its_referrers() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let subject = Shape::default().image(&mut rng, &mut set);
    for artifact_type in TYPES {
        Shape::artifact(artifact_type).about(&mut rng, &subject).image(&mut rng, &mut set);
    }
    cycle::push(&client, ONE, &set).await;
    let listed = async || {
        let path = format!("/v2/{ONE}/referrers/{}", set.manifests[0].digest);
        let list = manifests_of(&client.get(&path).await.expect(200));
        list.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed().await.len(), 2);
    client.delete(&set.manifests[1].path(ONE)).await.expect(202);
    assert_eq!(listed().await, [set.manifests[2].digest.clone()]);
    client.delete(&set.manifests[0].path(ONE)).await.expect(202);
    assert_eq!(listed().await, [set.manifests[2].digest.clone()]);
    client.get(&set.manifests[2].path(ONE)).await.expect(200);
    client.delete(&set.manifests[2].path(ONE)).await.expect(202);
    assert_eq!(listed().await, [""; 0]);
}

async fn what_was_deleted_may_be_pushed_again(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_index(&mut rng, &Shape::artifact(TYPES[0]), "again");
    for _ in 0..3 {
        cycle::run(&client, ONE, &set).await;
    }
}

#[tokio::test]
async fn blobs_and_sets_go_and_come_back() {
    let server = server().await;
    a_blob_that_is_deleted_here_stays_elsewhere(&server).await;
    what_was_deleted_may_be_pushed_again(&server).await;
}

async fn what_never_was_cannot_be_deleted(server: &Server) {
    let client = with_tokens(server);
    let digest = Algorithm::Sha256.digest(b"never");
    for reference in ["tag", &digest] {
        let path = format!("/v2/conformance/never/manifests/{reference}");
        client.delete(&path).await.refuses(404, "NAME_UNKNOWN");
    }
    let blob = Blob::of(Algorithm::Sha256, b"never");
    absent(&client, "conformance/never", &blob).await;
}

#[tokio::test]
async fn tags_and_manifests_go_as_the_specification_says() {
    let server = server().await;
    a_tag_goes_alone_and_a_manifest_takes_its_tags_along(&server).await;
    what_never_was_cannot_be_deleted(&server).await;
}
