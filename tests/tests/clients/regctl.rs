//! regctl.

use roadstead_tests::clients::{Content, PASSWORD, Stage};

use crate::pushed_once_and_mounted;

/// Tells regctl that the registry speaks plain HTTP.
fn set_up(stage: &Stage) {
    let set = format!("regctl registry set --skip-check --tls disabled {}", stage.host());
    stage.ok(&set);
}

fn log_in(stage: &Stage, user: &str) {
    let line = format!("regctl registry login --user {user} --pass-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded();
}

#[tokio::test]
async fn regctl_copies_images_in_across_and_out_without_changing_a_byte() {
    let mut stage = Stage::new().await;
    set_up(&stage);
    log_in(&stage, "alice");
    let (layout, pushed) = stage.image("layout", "1");
    let (first, second) = (stage.at("acme/app:1"), stage.at("other/copy:1"));
    let push = format!("regctl image copy ocidir://{layout}:1 {first}");
    let copy = format!("regctl image copy {first} {second}");
    pushed_once_and_mounted(&mut stage, &pushed, &push, &copy, 4).await;

    let by_digest = stage.at(&format!("other/copy@{}", pushed.digest()));
    for (name, reference) in [("by-tag", &first), ("by-digest", &by_digest)] {
        let target = stage.bench.at(name);
        stage.ok(format!("regctl image copy {reference} ocidir://{target}:1"));
        assert_eq!(Content::of_layout(&target, "1"), pushed);
    }
    let raw = stage.ok(format!("regctl manifest get --format raw-body {first}"));
    assert_eq!(raw.bytes(), pushed.manifest());
    assert_eq!(stage.ok(format!("regctl manifest head {first}")).text(), pushed.digest());
}

#[tokio::test]
async fn regctl_attaches_lists_and_deletes_tags_manifests_and_blobs() {
    let mut stage = Stage::new().await;
    set_up(&stage);
    log_in(&stage, "alice");
    let (layout, pushed) = stage.index("layout", "1");
    let target = stage.at("acme/app:1");
    stage.ok(format!("regctl image copy ocidir://{layout}:1 {target}"));
    assert_eq!(stage.content("acme/app", "1").await, pushed);
    let put = "regctl artifact put --artifact-type application/vnd.example.note";
    stage.feed(format!("{put} --subject {target}"), b"a note").succeeded();
    let attached = stage.referrers("acme/app", pushed.digest()).await;
    let listed = stage.ok(format!("regctl artifact list {target}"));
    listed.says(&[&attached[0], "application/vnd.example.note"]);
    let note = stage.at(&format!("acme/app@{}", attached[0]));
    assert_eq!(stage.ok(format!("regctl artifact get {note}")).bytes(), b"a note");

    let copied = stage.at("other/app:1");
    stage.ok(format!("regctl image copy --referrers {target} {copied}"));
    assert_eq!(stage.content("other/app", "1").await, pushed);
    assert_eq!(stage.referrers("other/app", pushed.digest()).await, attached);
    stage.ok(format!("regctl image copy {target} {}", stage.at("acme/app:2")));
    let repository = stage.at("acme/app");
    assert_eq!(stage.ok(format!("regctl tag ls {repository}")).lines(), ["1", "2"]);
    let repositories = stage.ok(format!("regctl repo ls {}", stage.host())).lines();
    assert_eq!(repositories, ["acme/app", "other/app"]);

    stage.ok(format!("regctl tag delete {target}"));
    assert_eq!(stage.tags("acme/app").await, ["2"], "a tag goes alone");
    let root = stage.at(&format!("acme/app@{}", pushed.digest()));
    stage.ok(format!("regctl manifest delete --referrers {root}"));
    assert_eq!(stage.tags("acme/app").await, [""; 0]);
    assert!(!stage.has("acme/app", pushed.digest()).await);
    stage.refused(format!("regctl manifest head {root}"), &["not found"]);
}

#[tokio::test]
async fn regctl_builds_an_index_puts_an_artifact_with_a_subject_and_deletes_blobs() {
    let mut stage = Stage::new().await;
    set_up(&stage);
    log_in(&stage, "alice");
    let (layout, pushed) = stage.image("layout", "1");
    let child = stage.at("acme/app:1");
    stage.ok(format!("regctl image copy ocidir://{layout}:1 {child}"));
    let target = stage.at("acme/app:both");
    stage.ok(format!("regctl index create --ref {child} {target}"));
    let made = stage.content("acme/app", "both").await;
    assert_eq!(made.parsed()["manifests"][0]["digest"], pushed.digest());
    let (attachment, statement) = stage.artifact("statement", "s", &pushed);
    let attached = stage.at("acme/app:s");
    stage.ok(format!("regctl image copy ocidir://{attachment}:s {attached}"));
    assert_eq!(stage.content("acme/app", "s").await, statement);

    let repository = stage.at("acme/app");
    let put = stage.feed(format!("regctl blob put {repository}"), b"a blob of nobody");
    let digest = put.succeeded().text();
    let get = format!("regctl blob get {repository} {digest}");
    assert_eq!(stage.ok(&get).bytes(), b"a blob of nobody");
    stage.ok(format!("regctl blob copy {repository} {} {digest}", stage.at("other/app")));
    stage.ok(format!("regctl blob delete {repository} {digest}"));
    stage.refused(&get, &["not found"]);
    let copied = format!("regctl blob get {} {digest}", stage.at("other/app"));
    assert_eq!(stage.ok(&copied).bytes(), b"a blob of nobody");
    let in_use = pushed.layers().swap_remove(0);
    stage.refused(format!("regctl blob delete {repository} {in_use}"), &["405"]);
}

#[tokio::test]
async fn regctl_sends_large_blobs_in_chunks() {
    let mut stage = Stage::new().await;
    set_up(&stage);
    log_in(&stage, "alice");
    let chunks = "--skip-check --blob-max 65536 --blob-chunk 1000000";
    stage.ok(format!("regctl registry set {chunks} {}", stage.host()));
    let (layout, pushed) = stage.image("layout", "1");
    let target = stage.at("acme/app:1");
    stage.listen();
    stage.ok(format!("regctl image copy ocidir://{layout}:1 {target}"));
    assert!(stage.patches() >= 4, "3 MiB in chunks of a million bytes");
    assert_eq!(stage.content("acme/app", "1").await, pushed);
}

#[tokio::test]
async fn regctl_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let mut stage = Stage::new().await;
    set_up(&stage);
    let (layout, pushed) = stage.image("layout", "1");
    let source = format!("ocidir://{layout}:1");
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/app:1"));
    let wrong = format!("regctl registry login --user alice --pass-stdin {}", stage.host());
    stage.feed(&wrong, b"not-her-password").failed_with(&["unauthorized"]);
    stage.ok(format!("regctl registry logout {}", stage.host()));
    stage.refused(format!("regctl image copy {source} {public}"), &["unauthorized"]);
    log_in(&stage, "alice");
    for reference in [&private, &public] {
        stage.ok(format!("regctl image copy {source} {reference}"));
    }
    log_in(&stage, "mallory");
    stage.refused(format!("regctl image copy {source} {private}"), &["unauthorized"]);
    for line in ["manifest get", "tag delete", "tag ls"] {
        stage.refused(format!("regctl {line} {private}"), &["unauthorized"]);
    }
    stage.ok(format!("regctl registry logout {}", stage.host()));
    let target = stage.bench.at("pulled");
    stage.ok(format!("regctl image copy {public} ocidir://{target}:1"));
    assert_eq!(Content::of_layout(&target, "1"), pushed);
}
