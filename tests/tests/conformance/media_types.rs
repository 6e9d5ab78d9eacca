//! What a manifest is: by its header, by its body, or by what it holds.

use roadstead_tests::Server;
use roadstead_tests::content::{INDEX, MANIFEST, rng};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_tokens};
use crate::data::{Algorithm, DataSet};
use crate::shape::{LAYER, Shape};
use crate::uploads::{Way, push_ok};

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A document whose `mediaType` is this, or missing.
fn typed(document: &Value, media_type: Option<&str>) -> Value {
    let mut document = document.clone();
    match media_type {
        Some(media_type) => document["mediaType"] = media_type.into(),
        None => drop(document.as_object_mut().expect("an object").remove("mediaType")),
    }
    document
}

async fn put(client: &Client, header: Option<&str>, document: &Value) -> Answer {
    let bytes = serde_json::to_vec(document).expect("JSON");
    let path = format!("/v2/{ONE}/manifests/{}", Algorithm::Sha256.digest(&bytes));
    let call = Call::new("PUT", &path).sized(&bytes);
    let call = header.into_iter().fold(call, |call, header| call.with("content-type", header));
    client.send(call).await
}

/// Pushes the blobs of an image and returns its document.
async fn image(client: &Client) -> Value {
    let mut set = DataSet::new(Algorithm::Sha256);
    let document = Shape::default().document(&mut rng(), &mut set);
    for blob in &set.blobs {
        push_ok(client, ONE, blob, Way::PostOnly).await;
    }
    document
}

async fn header_and_body_say_together_what_a_manifest_is(server: &Server) {
    let client = with_tokens(server);
    let index = json!({"schemaVersion": 2, "manifests": []});
    for (header, body, expected) in [
        (Some(MANIFEST), Some(MANIFEST), MANIFEST),
        (
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
            Some(MANIFEST),
            MANIFEST,
        ),
        (Some(MANIFEST), None, MANIFEST),
        (Some(DOCKER), Some(DOCKER), DOCKER),
        (Some(DOCKER), None, DOCKER),
        (None, Some(MANIFEST), MANIFEST),
        (None, Some(DOCKER), DOCKER),
        (Some("application/octet-stream"), Some(DOCKER), DOCKER),
        (Some("application/json"), Some(MANIFEST), MANIFEST),
        (Some("application/json; charset=utf-8"), None, MANIFEST),
        (None, None, MANIFEST),
        (Some(INDEX), Some(INDEX), INDEX),
        (Some(LIST), Some(LIST), LIST),
        (None, Some(LIST), LIST),
        (Some(INDEX), None, INDEX),
        (None, None, INDEX),
    ] {
        let is_index = [INDEX, LIST].contains(&expected);
        let document = if is_index { index.clone() } else { image(&client).await };
        // What was pushed before keeps its type, so each document is a new one.
        let mut document = typed(&document, body);
        document["annotations"] = json!({"header": header, "body": body, "kind": expected})
            .as_object()
            .map(|map| map.iter().filter(|(_, value)| value.is_string()))
            .map(|pairs| pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
            .expect("an object");
        let answer = put(&client, header, &document).await.expect(201);
        let pulled = client.get(answer.header("location")).await.expect(200);
        pulled.has("content-type", expected).holds(&serde_json::to_vec(&document).expect("JSON"));
    }
}

async fn what_is_no_manifest_is_refused(server: &Server) {
    let client = with_tokens(server);
    let document = image(&client).await;
    let with = |key: &str, value: Value| {
        let mut changed = document.clone();
        changed[key] = value;
        changed
    };
    let artifact = "application/vnd.oci.artifact.manifest.v1+json";
    for (header, body) in [
        (DOCKER, document.clone()),
        (INDEX, document.clone()),
        (MANIFEST, typed(&document, Some(DOCKER))),
        ("text/html", typed(&document, None)),
        (artifact, typed(&document, Some(artifact))),
        (MANIFEST, with("schemaVersion", json!(1))),
        (MANIFEST, with("schemaVersion", json!("2"))),
        (MANIFEST, with("config", Value::Null)),
        (MANIFEST, with("layers", json!("none"))),
        (MANIFEST, with("layers", json!([{"mediaType": LAYER, "digest": "sha256:x", "size": 1}]))),
        (MANIFEST, with("manifests", json!([]))),
        (INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": {}})),
        (MANIFEST, json!({})),
        (MANIFEST, json!([])),
        (MANIFEST, json!("text")),
    ] {
        put(&client, Some(header), &body).await.refuses(400, "MANIFEST_INVALID");
    }
    for bytes in [b"".as_slice(), b"{", b"\xff\xfe", b"{} {}"] {
        let call = Call::new("PUT", format!("/v2/{ONE}/manifests/tag")).sized(bytes);
        let call = call.with("content-type", MANIFEST);
        client.send(call).await.refuses(400, "MANIFEST_INVALID");
    }
    client.head(&format!("/v2/{ONE}/manifests/tag")).await.expect(404);
}

async fn schema_one_is_refused_with_a_clear_code(server: &Server) {
    let client = with_tokens(server);
    let document = json!({
        "schemaVersion": 1, "name": "x", "tag": "y", "architecture": "amd64",
        "fsLayers": [{"blobSum": Algorithm::Sha256.digest(b"layer")}], "history": [],
    });
    for version in ["v1+json", "v1+prettyjws"] {
        let header = format!("application/vnd.docker.distribution.manifest.{version}");
        let refused = put(&client, Some(&header), &document).await;
        assert!([400, 415].contains(&refused.status), "{refused:?}");
        let code = &refused.codes()[0];
        assert!(["MANIFEST_INVALID", "UNSUPPORTED"].contains(&code.as_str()), "{code}");
    }
}

#[tokio::test]
async fn what_is_no_manifest_of_ours_is_refused() {
    let server = server().await;
    what_is_no_manifest_is_refused(&server).await;
    schema_one_is_refused_with_a_clear_code(&server).await;
}

#[tokio::test]
async fn every_type_of_config_layer_and_artifact_is_taken_as_it_is() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    for (config, layer) in [
        (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        (
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
        ("application/vnd.oci.empty.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json"),
        ("application/vnd.cncf.notary.signature", "application/jose+json"),
        ("application/vnd.wasm.config.v0+json", "application/wasm"),
        ("application/vnd.docker.plugin.v1+json", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("application/vnd.buildkit.cacheconfig.v0", "text/plain; charset=utf-8"),
    ] {
        let mut set = DataSet::new(Algorithm::Sha256);
        let mut document = Shape::default().document(&mut rng, &mut set);
        document["config"]["mediaType"] = config.into();
        document["layers"][0]["mediaType"] = layer.into();
        set.manifest(&document);
        crate::cycle::run(&client, ONE, &set).await;
    }
}

async fn bytes_are_kept_however_the_json_is_laid_out(server: &Server) {
    let client = with_tokens(server);
    let document = image(&client).await;
    let pretty = serde_json::to_string_pretty(&document).expect("JSON");
    for text in [
        pretty.clone(),
        format!("\n\t {pretty}\r\n\n"),
        pretty.replace('\n', "\r\n"),
        pretty.replacen('{', "{\"org.example.\\u00fc\": \"\\ud83d\\ude80 ü\", ", 1),
    ] {
        let digest = Algorithm::Sha256.digest(text.as_bytes());
        let call = Call::new("PUT", format!("/v2/{ONE}/manifests/{digest}"));
        let call = call.with("content-type", MANIFEST).sized(text.as_bytes());
        let answer = client.send(call).await.expect(201);
        client.get(answer.header("location")).await.expect(200).holds(text.as_bytes());
    }
}

#[tokio::test]
async fn types_and_bytes_of_manifests_are_kept() {
    let server = server().await;
    header_and_body_say_together_what_a_manifest_is(&server).await;
    bytes_are_kept_however_the_json_is_laid_out(&server).await;
}
