//! crane.

use roadstead_tests::clients::{Content, PASSWORD, Stage};
use roadstead_tests::content::sha256;
use serde_json::Value;

use crate::{NO_RIGHTS, NO_RIGHTS_TO_HEAD, WRONG_PASSWORD, pushed_once_and_mounted};

fn log_in(stage: &Stage, user: &str) {
    let line = format!("crane auth login --username {user} --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded();
}

#[tokio::test]
async fn crane_pushes_once_mounts_and_pulls_to_the_byte() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (layout, pushed) = stage.image("layout", "1");
    let (first, second) = (stage.at("acme/app:1"), stage.at("other/copy:1"));
    let push = format!("crane push {layout} {first}");
    let copy = format!("crane copy {first} {second}");
    pushed_once_and_mounted(&mut stage, &pushed, &push, &copy, 4).await;

    let by_digest = stage.at(&format!("other/copy@{}", pushed.digest()));
    for (name, reference) in [("by-tag", &first), ("by-digest", &by_digest)] {
        let target = stage.bench.at(name);
        stage.ok(format!("crane pull --format oci {reference} {target}"));
        assert_eq!(Content::of_layout(&target, "1"), pushed);
    }
    assert_eq!(stage.ok(format!("crane digest {first}")).text(), pushed.digest());
    assert_eq!(stage.ok(format!("crane manifest {first}")).bytes(), pushed.manifest());
    for layer in pushed.layers() {
        let blob = stage.ok(format!("crane blob {}", stage.at(&format!("acme/app@{layer}"))));
        assert!(blob.bytes() == pushed.part(&layer), "layer {layer} differs");
    }
    stage.ok(format!("crane validate --remote {second}")).says(&["PASS"]);
}

/// The digests and platforms of an index.
fn children(index: &Content) -> Vec<(Value, Value)> {
    let entries = index.parsed()["manifests"].as_array().cloned();
    let entries = entries.expect("manifests").into_iter();
    entries.map(|entry| (entry["digest"].clone(), entry["platform"].clone())).collect()
}

#[tokio::test]
async fn crane_builds_an_index_in_place_lists_tags_and_deletes() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (layout, pushed) = stage.index("layout", "1");
    let source = stage.at("acme/app:1");
    stage.ok(format!("crane push {layout} {source}"));
    assert_eq!(stage.content("acme/app", "1").await, pushed);
    let target = stage.at("other/both:1");
    stage.listen();
    stage.ok(format!("crane index append --manifest {source} --tag {target}"));
    assert_eq!(stage.uploads(), 0, "blobs of the new index are mounted, not uploaded");
    let made = stage.content("other/both", "1").await;
    assert_eq!(children(&made), children(&pushed));

    stage.ok(format!("crane tag {source} 2"));
    stage.ok(format!("crane copy --all-tags {} {}", stage.at("acme/app"), stage.at("other/app")));
    let tags = stage.ok(format!("crane ls {}", stage.at("other/app"))).lines();
    assert_eq!(tags, ["1", "2"]);
    let repositories = stage.ok(format!("crane catalog {}", stage.host())).lines();
    assert_eq!(repositories, ["acme/app", "other/app", "other/both"]);

    stage.ok(format!("crane delete {source}"));
    assert_eq!(stage.tags("acme/app").await, ["2"], "a tag goes alone");
    let child = pushed.parsed()["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let child = stage.at(&format!("acme/app@{child}"));
    stage.refused(format!("crane delete {child}"), &["referenced by the index"]);
    let by_digest = stage.at(&format!("acme/app@{}", pushed.digest()));
    stage.ok(format!("crane delete {by_digest}"));
    stage.ok(format!("crane delete {child}"));
    stage.refused(format!("crane manifest {by_digest}"), &["MANIFEST_UNKNOWN"]);
    assert_eq!(stage.content("other/app", "2").await, pushed, "copies stay");
}

#[tokio::test]
async fn crane_pushes_an_artifact_with_a_subject_and_appends_layers() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (layout, pushed) = stage.image("layout", "1");
    let source = stage.at("acme/app:1");
    stage.ok(format!("crane push {layout} {source}"));
    let (attachment, statement) = stage.artifact("statement", "s", &pushed);
    let attached = stage.at("acme/app:s");
    stage.ok(format!("crane push {attachment} {attached}"));
    assert_eq!(stage.content("acme/app", "s").await, statement);
    assert_eq!(stage.referrers("acme/app", pushed.digest()).await, [statement.digest()]);

    let (file, archive) = (stage.bench.file("more/file", b"one more"), stage.bench.at("more.tar"));
    let file = file.parent().expect("a directory").display();
    stage.ok(format!("tar --create --file {archive} --directory {file} file"));
    let target = stage.at("other/more:1");
    stage.listen();
    stage.ok(format!("crane append --base {source} --new_layer {archive} --new_tag {target}"));
    assert_eq!((stage.mounts(), stage.uploads()), (3, 2), "only a layer and a config are new");
    let layers = stage.content("other/more", "1").await.layers();
    assert_eq!(layers[..3], pushed.layers());
    let files = stage.bench.at("exported.tar");
    stage.ok(format!("crane export {target} {files}"));
    let listed = stage.ok(format!("tar --list --file {files}")).lines();
    assert!(listed.iter().any(|name| name == "file"), "{listed:?}");
    let config = stage.ok(format!("crane config {source}"));
    let expected = pushed.parsed()["config"]["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(sha256(config.text().as_bytes()), expected);
}

#[tokio::test]
async fn crane_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let mut stage = Stage::new().await;
    let (layout, pushed) = stage.image("layout", "1");
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/app:1"));
    let push = format!("crane push {layout}");
    // This client only stores the password; it is the first request that says no.
    let wrong = format!("crane auth login --username alice --password wrong {}", stage.host());
    stage.ok(&wrong);
    stage.refused(format!("{push} {private}"), &[WRONG_PASSWORD]);
    stage.ok(format!("crane auth logout {}", stage.host()));
    let nobody = "unauthorized to access repository: open/app";
    stage.refused(format!("{push} {public}"), &[nobody]);
    log_in(&stage, "alice");
    for reference in [&private, &public] {
        stage.ok(format!("{push} {reference}"));
    }
    log_in(&stage, "mallory");
    stage.refused(format!("{push} {private}"), NO_RIGHTS_TO_HEAD);
    for line in ["manifest", "delete", "validate --remote"] {
        stage.refused(format!("crane {line} {private}"), &["unauthorized"]);
    }
    stage.refused(format!("crane ls {}", stage.at("acme/app")), &[NO_RIGHTS]);
    let repositories = stage.ok(format!("crane catalog {}", stage.host())).lines();
    assert_eq!(repositories, ["open/app"], "only what mallory may read");

    stage.ok(format!("crane auth logout {}", stage.host()));
    let target = stage.bench.at("pulled");
    stage.ok(format!("crane pull --format oci {public} {target}"));
    assert_eq!(Content::of_layout(&target, "1"), pushed);
}
