//! What real clients pushed, as Harbor's API shows it: lists, single artifacts, what belongs to
//! them and what can be read beside them.

mod buildx;
mod cosign;
mod helm;
mod modctl;
mod notation;
mod oras;
mod platforms;

use roadstead_tests::api::{API, timeless};
use roadstead_tests::clients::{Content, PASSWORD, Stage};
use roadstead_tests::http::header;
use serde_json::{Map, Value, json};

/// Everything that a client can ask to see.
const ALL: &str = "with_tag=true&with_label=true&with_accessory=true\
                   &with_immutable_status=true&with_inherited_accessory=true";

/// The artifacts of a repository of the project `acme`.
fn artifacts(repository: &str) -> String {
    let repository = repository.replace('/', "%252F");
    format!("/projects/acme/repositories/{repository}/artifacts")
}

/// Lets every client that reads docker's configuration in.
fn log_in(stage: &Stage) {
    let line = format!("oras login --plain-http -u alice --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded();
}

/// What differs from one look to the next is left out: pulls are counted meanwhile.
fn still(mut value: Value) -> Value {
    fn leave_out(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("pull_time");
                members.values_mut().for_each(leave_out);
            }
            Value::Array(items) => items.iter_mut().for_each(leave_out),
            _ => {}
        }
    }
    leave_out(&mut value);
    timeless(value)
}

/// The artifacts of a repository, the last one first; each is what a look at it alone shows.
async fn listed(stage: &Stage, repository: &str) -> Vec<Value> {
    let alice = stage.alice();
    let list = still(alice.read(&format!("{}?{ALL}", artifacts(repository))).await);
    let list = list.as_array().expect("a list").clone();
    for found in &list {
        let digest = found["digest"].as_str().expect("a digest");
        let alone = alice.read(&format!("{}/{digest}?{ALL}", artifacts(repository))).await;
        assert_eq!(still(alone), *found);
    }
    list
}

/// Values of a key of each entry.
fn column(list: &Value, key: &str) -> Vec<String> {
    let text = |entry: &Value| entry[key].as_str().expect(key).to_owned();
    list.as_array().expect("a list").iter().map(text).collect()
}

/// An artifact as it is shown alone, all of it. What the manifest says is compared to it here; what
/// Harbor calls it, and what can be read beside it, is in `kind` and `additions`.
async fn shown(
    stage: &Stage,
    repository: &str,
    reference: &str,
    kind: &str,
    additions: &[&str],
) -> Value {
    let path = format!("{}/{reference}?{ALL}", artifacts(repository));
    let found = still(stage.alice().read(&path).await);
    let content = stage.content(&format!("acme/{repository}"), reference).await;
    let mut expected = said(&content);
    expected["type"] = kind.into();
    expected["repository_name"] = format!("acme/{repository}").into();
    expected["push_time"] = "T".into();
    let links: Map<String, Value> = additions
        .iter()
        .map(|name| {
            let path = format!("{}/{}/additions/{name}", artifacts(repository), content.digest());
            ((*name).to_owned(), json!({"href": format!("{API}{path}"), "absolute": false}))
        })
        .collect();
    if !links.is_empty() {
        expected["addition_links"] = links.into();
    }
    let mut rest = found.as_object().expect("an artifact").clone();
    for key in ["id", "project_id", "repository_id"] {
        assert!(rest.remove(key).expect(key).as_i64().is_some_and(|id| id > 0), "{key}");
    }
    for key in ["tags", "labels", "accessories"] {
        assert!(rest.remove(key).is_some(), "{key} is null or a list");
    }
    for key in ["extra_attrs", "inherited_accessories", "references"] {
        rest.remove(key);
    }
    assert_eq!(Value::Object(rest), expected);
    found
}

/// What an artifact's manifest says, in Harbor's words.
fn said(content: &Content) -> Value {
    let manifest = content.parsed();
    let config = &manifest["config"]["mediaType"];
    let own = |key: &str| manifest.get(key).cloned();
    let kind = if manifest["manifests"].is_array() {
        "application/vnd.oci.image.index.v1+json"
    } else {
        "application/vnd.oci.image.manifest.v1+json"
    };
    let media_type = own("mediaType").unwrap_or_else(|| kind.into());
    let mut said = json!({
        "digest": content.digest(), "size": size(content, content.digest()),
        "manifest_media_type": media_type,
        "media_type": if config.is_null() { &media_type } else { config },
    });
    let artifact_type = own("artifactType").or_else(|| Some(config.clone()));
    for (key, value) in [("artifact_type", artifact_type), ("annotations", own("annotations"))] {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            said[key] = value;
        }
    }
    said
}

/// The bytes of a manifest and of all that it names.
fn size(content: &Content, digest: &str) -> u64 {
    let bytes = content.part(digest);
    let manifest: Value = serde_json::from_slice(bytes).expect("a manifest");
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let named = layers.chain(manifest.get("config")).filter_map(|named| named["size"].as_u64());
    let children = manifest["manifests"].as_array().into_iter().flatten();
    let children = children.map(|child| size(content, child["digest"].as_str().expect("one")));
    bytes.len() as u64 + named.sum::<u64>() + children.sum::<u64>()
}

/// What the clients of Harbor read of an artifact that belongs to `subject`.
async fn accessory(stage: &Stage, subject: &Value, digest: &str, kind: &str) -> Value {
    let repository = subject["repository_name"].as_str().expect("a name");
    let content = stage.content(repository, digest).await;
    let (_, below) = repository.split_once('/').expect("a project");
    let alone = stage.alice().read(&format!("{}/{digest}", artifacts(below))).await;
    json!({
        "id": alone["id"], "artifact_id": alone["id"], "type": kind, "icon": "",
        "digest": digest, "size": size(&content, digest), "creation_time": "T",
        "subject_artifact_id": subject["id"], "subject_artifact_digest": subject["digest"],
        "subject_artifact_repo": repository,
    })
}

/// Asserts that exactly these belong to an artifact, the oldest first, wherever that is shown.
async fn belong(stage: &Stage, subject: &Value, expected: &[(String, &str)]) {
    let mut all = Vec::new();
    for (digest, kind) in expected {
        all.push(accessory(stage, subject, digest, kind).await);
    }
    assert_eq!(subject["accessories"], Value::Array(all.clone()));
    let repository = subject["repository_name"].as_str().expect("a name");
    let (_, below) = repository.split_once('/').expect("a project");
    let digest = subject["digest"].as_str().expect("a digest");
    let path = format!("{}/{digest}/accessories?sort=id", artifacts(below));
    assert_eq!(timeless(stage.alice().read(&path).await), Value::Array(all));
}

/// An addition of an artifact, with its media type.
async fn addition(
    stage: &Stage,
    repository: &str,
    reference: &str,
    name: &str,
) -> (String, String) {
    let path = format!("{API}{}/{reference}/additions/{name}", artifacts(repository));
    let answer = stage.alice().get(&path).await;
    assert_eq!(answer.status(), 200, "GET {path}");
    (header(&answer, "content-type"), answer.text().await.expect("text"))
}

/// An addition that is JSON.
async fn parsed(stage: &Stage, repository: &str, reference: &str, name: &str) -> Value {
    let (kind, text) = addition(stage, repository, reference, name).await;
    assert_eq!(kind, "application/json; charset=utf-8");
    text.parse().expect("JSON")
}

const PLAIN: &str = "text/plain; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
