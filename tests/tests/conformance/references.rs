//! What manifests name: content that is there, that may be missing, or that must not.

use roadstead_tests::content::{INDEX, MANIFEST, random_bytes, rng};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

use crate::client::{ONE, TWO, server, with_project, with_tokens};
use crate::cycle::{self, put};
use crate::data::{Algorithm, DataSet, Manifest};
use crate::shape::{CONFIG, LAYER, Shape};
use crate::uploads::{Way, push_ok};

async fn each_missing_blob_of_an_image_is_named_in_the_refusal(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let mut set = DataSet::new(algorithm);
        let shape = Shape { layers: vec![LAYER; 4], ..Shape::default() };
        shape.image(&mut rng, &mut set);
        let manifest = &set.manifests[0];
        for missing in (1..=set.blobs.len()).rev() {
            // Elsewhere is not here.
            push_ok(&client, TWO, &set.blobs[missing - 1], Way::PostPut).await;
            let target = format!("/v2/{ONE}/manifests/tag");
            for target in [manifest.path(ONE), target] {
                let refused = client.send(put(target, manifest)).await.expect(404);
                assert!(refused.codes().iter().all(|code| code == "MANIFEST_BLOB_UNKNOWN"));
                let errors = refused.json()["errors"].as_array().expect("errors").clone();
                let mut told: Vec<&str> = errors
                    .iter()
                    .map(|error| error["detail"].as_str().expect("a digest"))
                    .collect();
                let mut expected: Vec<&str> =
                    set.blobs[..missing].iter().map(|blob| blob.digest.as_str()).collect();
                told.sort_unstable();
                expected.sort_unstable();
                assert_eq!(told, expected);
            }
            push_ok(&client, ONE, &set.blobs[missing - 1], Way::PostPut).await;
        }
        client.head(&manifest.path(ONE)).await.expect(404);
        client.send(put(manifest.path(ONE), manifest)).await.expect(201);
    }
}

async fn each_missing_manifest_of_an_index_is_named_in_the_refusal(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let present = Shape::default().image(&mut rng, &mut set);
    cycle::push(&client, ONE, &set).await;
    let absent = |n: u8| {
        let digest = Algorithm::Sha256.digest(&[n]);
        json!({"mediaType": MANIFEST, "digest": digest, "size": 7})
    };
    let children = [absent(1), present, absent(2)];
    Shape::default().index(&mut rng, &mut set, &children);
    let index = set.manifests.last().expect("an index");
    let refused = client.send(put(index.path(ONE), index)).await.expect(404);
    assert_eq!(refused.codes(), ["MANIFEST_BLOB_UNKNOWN"; 2]);
    let body = refused.json();
    assert_eq!(body["errors"][0]["detail"], children[0]["digest"]);
    assert_eq!(body["errors"][1]["detail"], children[2]["digest"]);
}

/// The index of a build cache: its children are layers, and a config at the end.
async fn an_index_may_name_blobs_and_children_of_unknown_platform(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let mut children: Vec<Value> =
        (0..3).map(|_| set.blob(&format!("{LAYER}+zstd"), &random_bytes(&mut rng, 400))).collect();
    children.push(set.blob("application/vnd.buildkit.cacheconfig.v0", b"{\"layers\":[]}"));
    let cache = Shape::default().index(&mut rng, &mut set, &children);
    set.tag("cache", &cache);
    let mut attestation = Shape::default().image(&mut rng, &mut set);
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let bare = Shape::default().image(&mut rng, &mut set);
    let index = Shape::default().index(&mut rng, &mut set, &[attestation, bare]);
    set.tag("attested", &index);
    cycle::run(&client, ONE, &set).await;
}

#[tokio::test]
async fn references_must_be_in_the_repository() {
    let server = with_project(Setup::new().start()).await;
    each_missing_blob_of_an_image_is_named_in_the_refusal(&server).await;
    each_missing_manifest_of_an_index_is_named_in_the_refusal(&server).await;
    an_index_may_name_blobs_and_children_of_unknown_platform(&server).await;
}

async fn an_index_may_name_content_of_both_algorithms(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut short = DataSet::new(Algorithm::Sha256);
    let mut long = DataSet::new(Algorithm::Sha512);
    let first = Shape::default().image(&mut rng, &mut short);
    let second = Shape::default().image(&mut rng, &mut long);
    cycle::push(&client, ONE, &short).await;
    cycle::push(&client, ONE, &long).await;
    let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [first, second]});
    for algorithm in Algorithm::ALL {
        let index = Manifest::of(algorithm, &document);
        let answer = client.send(put(index.path(ONE), &index)).await.expect(201);
        cycle::published(&client, &index, &answer).await;
    }
}

async fn a_size_that_is_not_that_of_the_blob_is_refused(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let mut document = Shape::default().document(&mut rng, &mut set);
    for blob in &set.blobs {
        push_ok(&client, ONE, blob, Way::PostPut).await;
    }
    document["layers"][1]["size"] = json!(699);
    let manifest = Manifest::of(Algorithm::Sha256, &document);
    client.send(put(manifest.path(ONE), &manifest)).await.refuses(400, "MANIFEST_INVALID");
    document["layers"][1]["size"] = json!(-1);
    let manifest = Manifest::of(Algorithm::Sha256, &document);
    client.send(put(manifest.path(ONE), &manifest)).await.refuses(400, "MANIFEST_INVALID");
}

async fn a_layer_may_be_named_twice_and_be_the_config_as_well(server: &Server) {
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let empty = set.blob(CONFIG, b"{}");
    let document = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [empty, empty],
    });
    let image = set.manifest(&document);
    set.tag("twice", &image);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, image]});
    set.manifest(&index);
    cycle::run(&client, ONE, &set).await;
}

#[tokio::test]
async fn references_may_be_of_many_kinds() {
    let server = server().await;
    an_index_may_name_content_of_both_algorithms(&server).await;
    a_size_that_is_not_that_of_the_blob_is_refused(&server).await;
    a_layer_may_be_named_twice_and_be_the_config_as_well(&server).await;
}
