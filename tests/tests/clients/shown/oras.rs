//! Artifacts of any type, and WebAssembly, as oras pushes them.

use roadstead_tests::clients::Stage;
use serde_json::{Value, json};

use super::{artifacts, belong, column, listed, log_in, parsed, shown};

/// The digest of what was pushed under a reference, which is as oras resolves it.
fn resolve(stage: &Stage, reference: &str) -> String {
    stage.ok(format!("oras resolve --plain-http {}", stage.at(reference))).text()
}

#[tokio::test]
async fn an_artifact_of_any_type_is_shown_by_it_with_what_is_attached() {
    let stage = Stage::new().await;
    log_in(&stage);
    stage.bench.file("tide.csv", b"ebb,flow\n");
    stage.bench.file("bill.json", br#"{"spdxVersion":"SPDX-2.3"}"#);
    stage.bench.file("note.txt", b"a note\n");
    let target = stage.at("acme/sea/data:1");
    stage.ok(format!(
        "oras push --plain-http --artifact-type application/vnd.example.data \
         --annotation org.example.note=yes {target},latest tide.csv:text/csv note.txt:text/plain"
    ));
    let attach = "oras attach --plain-http --artifact-type";
    stage.ok(format!("{attach} application/vnd.example.note {target} note.txt:text/plain"));
    let digest = resolve(&stage, "acme/sea/data:1");
    let note = stage.referrers("acme/sea/data", &digest).await;
    stage.ok(format!("{attach} application/spdx+json {target} bill.json:application/spdx+json"));
    let both = stage.referrers("acme/sea/data", &digest).await;
    let bill = both.iter().find(|one| **one != note[0]).expect("a second one").clone();

    let data = shown(&stage, "sea/data", "latest", "UNKNOWN", &[]).await;
    assert_eq!(data["artifact_type"], "application/vnd.example.data");
    assert_eq!(data["annotations"]["org.example.note"], "yes");
    assert_eq!((&data["references"], data.get("extra_attrs")), (&Value::Null, None));
    let mut tags = column(&data["tags"], "name");
    tags.sort();
    assert_eq!(tags, ["1", "latest"]);
    let expected = [(note[0].clone(), "subject.accessory"), (bill.clone(), "subject.accessory")];
    belong(&stage, &data, &expected).await;
    assert_eq!(listed(&stage, "sea/data").await, std::slice::from_ref(&data));
    shown(&stage, "sea/data", &bill, "SBOM", &["sbom"]).await;
    let text = parsed(&stage, "sea/data", &bill, "sbom").await;
    assert_eq!(text, json!({"spdxVersion": "SPDX-2.3"}));

    // What is asked for is shown, and nothing else.
    let alice = stage.alice();
    let label = json!({"name": "salty", "scope": "p", "project_id": data["project_id"]});
    let (path, _) = alice.make("/labels", &label).await;
    let id: i64 = path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
    let labels = format!("{}/1/labels", artifacts("sea/data"));
    alice.change("POST", &labels, &json!({"id": id})).await;
    let path = artifacts("sea/data");
    let plain = alice.read(&format!("{path}?with_tag=false")).await;
    for key in ["tags", "labels", "accessories"] {
        assert_eq!(plain[0][key], Value::Null, "{key}");
    }
    let labelled = alice.read(&format!("{path}?with_label=true&q=labels%3D({id})")).await;
    assert_eq!(column(&labelled[0]["labels"], "name"), ["salty"]);
    let typed = format!("{path}?q=artifact_type%3Dapplication%2Fvnd.example.data");
    assert_eq!(column(&alice.read(&typed).await, "digest"), [digest]);
    let other = format!("{path}?q=artifact_type%3Dapplication%2Fspdx%252Bjson");
    assert_eq!(alice.read(&other).await, json!([]), "what belongs to another is in no list");
}

#[tokio::test]
async fn webassembly_is_shown_as_such_in_every_packing() {
    let stage = Stage::new().await;
    log_in(&stage);
    stage.bench.file("tide.wasm", b"\0asm\x01\0\0\0");
    stage.bench.file("none.json", b"{}");
    let push = |tag: &str, options: &str, layer: &str| {
        let target = stage.at(&format!("acme/tide:{tag}"));
        stage.ok(format!("oras push --plain-http {options} {target} tide.wasm:{layer}"));
    };
    let layer = "application/vnd.wasm.content.layer.v1+wasm";
    push("module", "--config none.json:application/vnd.wasm.config.v1+json", layer);
    let component = json!({"architecture": "wasm", "os": "wasip2", "layerDigests": []});
    stage.bench.file("component.json", component.to_string().as_bytes());
    let config = "--config component.json:application/vnd.wasm.config.v0+json";
    push("component", config, "application/wasm");
    let image = json!({
        "architecture": "wasm", "os": "wasip1", "author": "ada", "created": "2026-01-02T03:04:05Z",
        "config": {"Entrypoint": ["/tide.wasm"]}, "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created_by": "COPY"}],
    });
    stage.bench.file("image.json", image.to_string().as_bytes());
    let config = "--config image.json:application/vnd.oci.image.config.v1+json \
                  --annotation module.wasm.image/variant=compat";
    push("image", config, "application/vnd.oci.image.layer.v1.tar");

    let v1 = "application/vnd.wasm.config.v1+json";
    let module = shown(&stage, "tide", "module", "WASM", &["build_history"]).await;
    let expected = json!({"manifest.config.mediaType": v1, "manifest.layers.mediaType": layer,
                          "org.opencontainers.image.title": "tide.wasm"});
    assert_eq!(module["extra_attrs"], expected);
    let found = shown(&stage, "tide", "component", "WASM", &["build_history"]).await;
    assert_eq!(found["extra_attrs"], component);
    let path = format!("{}/image", artifacts("tide"));
    let found = stage.alice().read(&path).await;
    assert_eq!((&found["type"], &found["media_type"]), (&json!("WASM"), &json!(v1)));
    let expected = json!({
        "manifest.config.mediaType": "application/vnd.oci.image.config.v1+json",
        "architecture": "wasm", "os": "wasip1", "author": "ada",
        "created": "2026-01-02T03:04:05Z", "config": {"Entrypoint": ["/tide.wasm"]},
    });
    assert_eq!(found["extra_attrs"], expected);
    for (tag, expected) in [("image", json!([{"created_by": "COPY"}])), ("module", json!([]))] {
        assert_eq!(parsed(&stage, "tide", tag, "build_history").await, expected, "{tag}");
    }
}
