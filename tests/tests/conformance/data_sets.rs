//! Images, indexes and artifacts of every shape, through their whole life.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use roadstead_tests::Server;
use roadstead_tests::content::{MANIFEST, random_bytes, rng, sha256};
use serde_json::{Value, json};

use crate::client::{ONE, server, with_basic, with_tokens};
use crate::cycle::run;
use crate::data::{Algorithm, DataSet, Manifest};
use crate::shape::{EMPTY, LAYER, Shape, TYPES, tagged_image, tagged_index};

/// Runs a set with tokens.
async fn live(server: &Server, make: impl FnOnce(&mut StdRng) -> DataSet) {
    run(&with_tokens(server), ONE, &make(&mut rng())).await;
}

#[tokio::test]
async fn an_image_lives_with_tokens_and_with_a_password() {
    let (server, mut rng) = (server().await, rng());
    for client in [with_tokens(&server), with_basic(&server)] {
        run(&client, ONE, &tagged_image(&mut rng, &Shape::default(), "image")).await;
        let uncompressed = Shape { layers: vec![LAYER; 2], ..Shape::default() };
        run(&client, ONE, &tagged_image(&mut rng, &uncompressed, "image-uncompressed")).await;
        let bare = Shape { layers: Vec::new(), ..Shape::default() };
        run(&client, ONE, &tagged_image(&mut rng, &bare, "no-layers")).await;
    }
}

#[tokio::test]
async fn a_manifest_of_nearly_four_megabytes_lives() {
    let annotation = |n: u32| (format!("large-{n}"), "A".repeat(10_000));
    let annotations: BTreeMap<String, String> = (0..390).map(annotation).collect();
    let shape = Shape { annotations: json!(annotations), ..Shape::default() };
    live(&server().await, |rng| {
        let set = tagged_image(rng, &shape, "large-manifest");
        assert!(set.manifests[0].bytes.len() > 3_900_000);
        set
    })
    .await;
}

#[tokio::test]
async fn indexes_live_whether_plain_nested_or_empty() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    run(&client, ONE, &tagged_index(&mut rng, &Shape::default(), "index")).await;
    let mut nested = DataSet::new(Algorithm::Sha256);
    let children = [(); 2].map(|()| Shape::default().platforms(&mut rng, &mut nested));
    let top = Shape::default().index(&mut rng, &mut nested, &children);
    nested.tag("index-of-index", &top);
    run(&client, ONE, &nested).await;
    let mut empty = DataSet::new(Algorithm::Sha256);
    let index = Shape::default().index(&mut rng, &mut empty, &[]);
    empty.tag("index", &index);
    run(&client, ONE, &empty).await;
}

#[tokio::test]
async fn artifacts_live_whether_alone_in_an_index_or_without_layers() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    let artifact = Shape::artifact(TYPES[0]);
    run(&client, ONE, &tagged_image(&mut rng, &artifact, "artifact")).await;
    run(&client, ONE, &tagged_index(&mut rng, &artifact, "artifact-index")).await;
    let bare = Shape { layers: vec![EMPTY], ..artifact };
    run(&client, ONE, &tagged_image(&mut rng, &bare, "artifact-without-layers")).await;
}

async fn artifacts_with_a_subject_are_its_referrers(server: &Server) {
    live(server, |rng| {
        let mut set = DataSet::new(Algorithm::Sha256);
        let subject = Shape::default().image(rng, &mut set);
        set.tag("image", &subject);
        Shape { subject: Some(subject.clone()), ..Shape::default() }.image(rng, &mut set);
        for (number, artifact_type) in TYPES.iter().enumerate() {
            let shape = Shape::artifact(artifact_type).about(rng, &subject);
            let artifact = shape.image(rng, &mut set);
            set.tag(&format!("tagged-artifact{}", number + 1), &artifact);
        }
        set
    })
    .await;
}

async fn indexes_with_a_subject_are_its_referrers_and_so_are_their_children(server: &Server) {
    live(server, |rng| {
        let mut set = DataSet::new(Algorithm::Sha256);
        let subject = Shape::default().platforms(rng, &mut set);
        set.tag("index", &subject);
        let artifact = Shape::artifact(TYPES[0]).about(rng, &subject).platforms(rng, &mut set);
        set.tag("tagged-artifact", &artifact);
        Shape::default().about(rng, &subject).index(rng, &mut set, &[]);
        set
    })
    .await;
}

async fn a_subject_need_not_exist(server: &Server) {
    live(server, |rng| {
        let mut set = DataSet::new(Algorithm::Sha256);
        for (number, digest) in
            [sha256(b"missing"), Algorithm::Sha512.digest(b"missing")].iter().enumerate()
        {
            let subject = json!({"mediaType": MANIFEST, "digest": digest, "size": 123});
            let artifact = Shape::artifact(TYPES[0]).about(rng, &subject).image(rng, &mut set);
            set.tag(&format!("tagged-artifact{number}"), &artifact);
        }
        set
    })
    .await;
}

#[tokio::test]
async fn subjects_have_their_referrers() {
    let server = server().await;
    artifacts_with_a_subject_are_its_referrers(&server).await;
    indexes_with_a_subject_are_its_referrers_and_so_are_their_children(&server).await;
    a_subject_need_not_exist(&server).await;
}

async fn data_in_descriptors_and_fields_of_ones_own_are_kept(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let inline = Shape { inline_data: true, ..Shape::default() };
    run(&client, ONE, &tagged_image(&mut rng, &inline, "data-field")).await;
    let custom = Shape { custom_fields: true, ..Shape::default() };
    run(&client, ONE, &tagged_index(&mut rng, &custom, "custom-fields")).await;
}

/// A descriptor of a layer that is elsewhere.
fn elsewhere(rng: &mut StdRng, media_type: &str, urls: &[&str]) -> Value {
    let digest = sha256(&random_bytes(rng, 256));
    let mut descriptor = json!({"mediaType": media_type, "digest": digest, "size": 123_456});
    if !urls.is_empty() {
        descriptor["urls"] = json!(urls);
    }
    descriptor
}

async fn layers_that_are_not_distributed_need_not_be_there(server: &Server) {
    const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    let url = ["https://store.example.com/blob"];
    live(server, |rng| {
        let mut set = DataSet::new(Algorithm::Sha256);
        let mut document =
            Shape { layers: vec![LAYER], ..Shape::default() }.document(rng, &mut set);
        let docker = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let absent = [
            elsewhere(rng, &format!("{FOREIGN}+gzip"), &url),
            elsewhere(rng, FOREIGN, &url),
            elsewhere(rng, &format!("{FOREIGN}+zstd"), &[]),
            elsewhere(rng, docker, &url),
            elsewhere(rng, LAYER, &url),
        ];
        document["layers"].as_array_mut().expect("layers").splice(0..0, absent);
        let image = set.manifest(&document);
        set.tag("non-distributable-image", &image);
        set
    })
    .await;
}

async fn sparse_images_and_indexes_live(server: &Server) {
    live(server, |rng| {
        let mut set = DataSet::new(Algorithm::Sha256);
        let image = Shape::default().image(rng, &mut set);
        set.tag("sparse-image", &image);
        set.blobs.remove(0);
        let child = Shape::default().image(rng, &mut set);
        let missing = elsewhere(rng, MANIFEST, &[]);
        let index = Shape::default().index(rng, &mut set, &[child, missing]);
        set.tag("sparse-index", &index);
        set
    })
    .await;
}

#[tokio::test]
async fn manifests_of_unusual_content_live() {
    let server = server().await;
    data_in_descriptors_and_fields_of_ones_own_are_kept(&server).await;
    layers_that_are_not_distributed_need_not_be_there(&server).await;
    sparse_images_and_indexes_live(&server).await;
}

async fn everything_lives_under_sha512(server: &Server) {
    live(server, |rng| {
        let mut set = DataSet::new(Algorithm::Sha512);
        let index = Shape::default().platforms(rng, &mut set);
        Shape::artifact(TYPES[0]).about(rng, &index).image(rng, &mut set);
        set
    })
    .await;
}

async fn tags_in_the_query_are_set_for_both_algorithms(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let mut set = DataSet::new(algorithm);
        set.tag_parameter = true;
        let index = Shape::default().platforms(&mut rng, &mut set);
        set.tag("tag-parameter", &index);
        let digests: Vec<Value> = set.manifests.iter().map(Manifest::descriptor).collect();
        for (number, descriptor) in digests.iter().enumerate() {
            set.tag(&format!("tag-parameter-{number}"), descriptor);
        }
        run(&client, ONE, &set).await;
    }
}

#[tokio::test]
async fn sha512_lives_with_and_without_tags() {
    let server = server().await;
    everything_lives_under_sha512(&server).await;
    tags_in_the_query_are_set_for_both_algorithms(&server).await;
}
