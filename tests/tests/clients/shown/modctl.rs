//! Models, as modctl and oras push them.

use roadstead_tests::clients::{PASSWORD, Stage};
use serde_json::{Value, json};

use super::{MARKDOWN, PLAIN, addition, listed, log_in, parsed, shown};

const ADDITIONS: &[&str] = &["files", "license", "readme.md"];
const MODELFILE: &str = "NAME tide\nFAMILY llama\nPARAMSIZE 7b\nCONFIG config.json\n\
                         MODEL model.safetensors\nCODE src/run.py\nDOC LICENSE\nDOC README.md\n";

/// modctl keeps to its own directory only when told to.
fn modctl(stage: &Stage, line: &str) {
    let (store, log) = (stage.bench.at("modctl"), stage.bench.at("modctl-log"));
    stage.ok(format!("modctl --storage-dir {store} --log-dir {log} --no-progress {line}"));
}

fn write_model(stage: &Stage) {
    for (name, text) in [
        ("config.json", r#"{"model_type": "llama"}"#),
        ("model.safetensors", "weights"),
        ("src/run.py", "print('ebb')\n"),
        ("LICENSE", "Do as you like.\n"),
        ("README.md", "# Tide\n"),
    ] {
        stage.bench.file(&format!("model/{name}"), text.as_bytes());
    }
    stage.bench.file("model/Modelfile", MODELFILE.as_bytes());
}

#[tokio::test]
async fn a_model_is_shown_with_its_files_whether_they_are_packed_or_not() {
    let stage = Stage::new().await;
    log_in(&stage);
    write_model(&stage);
    let (host, path) = (stage.host(), stage.bench.at("model"));
    modctl(&stage, &format!("login --plain-http -u alice -p {PASSWORD} {host}"));
    for (tag, raw) in [("raw", true), ("packed", false)] {
        let target = stage.at(&format!("acme/tide:{tag}"));
        modctl(
            &stage,
            &format!(
                "build --raw={raw} --target {target} --modelfile {path}/Modelfile \
                 --plain-http --output-remote {path}"
            ),
        );
        let model = shown(&stage, "tide", tag, "CNAI", ADDITIONS).await;
        assert_eq!(model["artifact_type"], "application/vnd.cnai.model.manifest.v1+json");
        let about = &model["extra_attrs"];
        assert_eq!(
            (&about["descriptor"]["name"], &about["config"]["paramSize"]),
            (&json!("tide"), &json!("7b"))
        );
        let readme = addition(&stage, "tide", tag, "readme.md").await;
        assert_eq!(readme, (MARKDOWN.to_owned(), "# Tide\n".to_owned()), "{tag}");
        let license = addition(&stage, "tide", tag, "license").await;
        assert_eq!(license, (PLAIN.to_owned(), "Do as you like.\n".to_owned()), "{tag}");
        assert_eq!(parsed(&stage, "tide", tag, "files").await, tree(&stage, tag).await);
    }
    assert_eq!(listed(&stage, "tide").await.len(), 2);
}

/// The files of the model, with the sizes that its layers have.
async fn tree(stage: &Stage, tag: &str) -> Value {
    let manifest = stage.content("acme/tide", tag).await.parsed();
    let size = |path: &str| {
        let mut layers = manifest["layers"].as_array().expect("layers").iter();
        let is_it = |layer: &&Value| layer["annotations"]["org.cnai.model.filepath"] == path;
        layers.find(is_it).expect(path)["size"].clone()
    };
    let file = |path: &str| {
        let name = path.rsplit('/').next();
        json!({"name": name, "type": "file", "size": size(path)})
    };
    json!([
        {"name": "src", "type": "directory", "children": [file("src/run.py")]},
        file("LICENSE"), file("README.md"), file("config.json"), file("model.safetensors"),
    ])
}

#[tokio::test]
async fn a_model_in_the_types_of_the_specification_is_one_too() {
    let stage = Stage::new().await;
    log_in(&stage);
    write_model(&stage);
    let kind = |what: &str| format!("application/vnd.cncf.model.{what}");
    stage.bench.file("about.json", br#"{"descriptor": {"name": "tide"}}"#);
    let path = |path: &str| json!({"org.cncf.model.filepath": path});
    let annotations = json!({"model/README.md": path("README.md"),
                             "model/model.safetensors": path("weights/model.safetensors")});
    stage.bench.file("annotations.json", annotations.to_string().as_bytes());
    stage.ok(format!(
        "oras push --plain-http --artifact-type {} --config about.json:{} \
         --annotation-file annotations.json {} model/README.md:{} model/model.safetensors:{}",
        kind("manifest.v1+json"),
        kind("config.v1+json"),
        stage.at("acme/tide:1"),
        kind("doc.v1.raw"),
        kind("weight.v1.raw"),
    ));
    let model = shown(&stage, "tide", "1", "CNAI", ADDITIONS).await;
    assert_eq!(model["extra_attrs"], json!({"descriptor": {"name": "tide"}}));
    let readme = addition(&stage, "tide", "1", "readme.md").await;
    assert_eq!(readme, (MARKDOWN.to_owned(), "# Tide\n".to_owned()));
    let files = parsed(&stage, "tide", "1", "files").await;
    let weights = json!({"name": "model.safetensors", "type": "file", "size": 7});
    let expected = json!([{"name": "weights", "type": "directory", "children": [weights]},
                          {"name": "README.md", "type": "file", "size": 7}]);
    assert_eq!(files, expected);
}
