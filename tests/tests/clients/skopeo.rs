//! skopeo.

use roadstead_tests::clients::{Content, PASSWORD, Stage};

use crate::{NO_RIGHTS, NO_RIGHTS_TO_HEAD, WRONG_PASSWORD, pushed_once_and_mounted};

fn log_in(stage: &Stage, user: &str) {
    let line = format!("skopeo login --username {user} --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded().says(&["Login Succeeded"]);
}

#[tokio::test]
async fn skopeo_copies_images_in_across_and_out_without_changing_a_byte() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (layout, pushed) = stage.image("layout", "1");
    let (first, second) = (stage.at("acme/app:1"), stage.at("other/copy:1"));
    let push = format!("skopeo copy --preserve-digests oci:{layout}:1 docker://{first}");
    let copy = format!("skopeo copy docker://{first} docker://{second}");
    pushed_once_and_mounted(&mut stage, &pushed, &push, &copy, 3).await;

    let by_digest = stage.at(&format!("other/copy@{}", pushed.digest()));
    for (name, reference) in [("by-tag", &first), ("by-digest", &by_digest)] {
        let target = stage.bench.at(name);
        stage.ok(format!("skopeo copy docker://{reference} oci:{target}:1"));
        assert_eq!(Content::of_layout(&target, "1"), pushed);
    }
    let raw = stage.ok(format!("skopeo inspect --raw docker://{first}"));
    assert_eq!(raw.bytes(), pushed.manifest());
    let inspected = stage.ok(format!("skopeo inspect docker://{first}")).json();
    assert_eq!(inspected["Digest"], pushed.digest());
}

#[tokio::test]
async fn skopeo_copies_an_index_and_an_artifact_lists_tags_mirrors_and_deletes() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (layout, pushed) = stage.index("layout", "1");
    let (attachment, statement) = stage.artifact("statement", "s", &pushed);
    for tag in ["1", "2"] {
        let target = stage.at(&format!("acme/app:{tag}"));
        stage.ok(format!("skopeo copy --all oci:{layout}:1 docker://{target}"));
    }
    let target = stage.at("acme/app:s");
    stage.ok(format!("skopeo copy oci:{attachment}:s docker://{target}"));
    assert_eq!(stage.content("acme/app", "s").await, statement);
    assert_eq!(stage.referrers("acme/app", pushed.digest()).await, [statement.digest()]);

    let repository = stage.at("acme/app");
    let tags = stage.ok(format!("skopeo list-tags docker://{repository}")).json();
    assert_eq!(tags["Tags"], serde_json::json!(["1", "2", "s"]));

    let mirror = stage.bench.directory("mirror");
    let out =
        format!("skopeo sync --all --src docker --dest dir {repository} {}", mirror.display());
    stage.ok(&out);
    let manifest = std::fs::read(mirror.join("app:2/manifest.json")).expect("a mirrored manifest");
    assert_eq!(manifest, pushed.manifest());
    let other = stage.at("other");
    stage.ok(format!("skopeo sync --all --src docker --dest docker {repository} {other}"));
    assert_eq!(stage.content("other/app", "2").await, pushed);

    stage.ok(format!("skopeo delete docker://{}", stage.at("acme/app:1")));
    for reference in ["1", "2", pushed.digest()] {
        assert!(!stage.has("acme/app", reference).await, "{reference} went with the manifest");
        assert!(stage.has("other/app", reference).await, "{reference} stays where it was copied");
    }
    let gone = format!("skopeo inspect docker://{}", stage.at("acme/app:1"));
    stage.refused(&gone, &["manifest unknown"]);
}

#[tokio::test]
async fn skopeo_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let mut stage = Stage::new().await;
    let (layout, pushed) = stage.image("layout", "1");
    let source = format!("oci:{layout}:1");
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/app:1"));
    let wrong = format!("skopeo login --username alice --password-stdin {}", stage.host());
    stage.feed(&wrong, b"not-her-password").failed_with(&["invalid username/password"]);
    let wrong = format!("skopeo copy --dest-creds alice:wrong {source} docker://{private}");
    stage.refused(&wrong, &[WRONG_PASSWORD]);
    let nobody = format!("skopeo copy {source} docker://{public}");
    stage.refused(&nobody, &["unauthorized to access repository: open/app"]);

    log_in(&stage, "alice");
    for reference in [&private, &public] {
        stage.ok(format!("skopeo copy {source} docker://{reference}"));
    }
    log_in(&stage, "mallory");
    for line in ["skopeo inspect", "skopeo delete"] {
        stage.refused(format!("{line} docker://{private}"), &[NO_RIGHTS]);
    }
    let push = format!("skopeo copy {source} docker://{}", stage.at("acme/app:2"));
    stage.refused(&push, NO_RIGHTS_TO_HEAD);
    stage.ok(format!("skopeo logout {}", stage.host()));

    let target = stage.bench.at("pulled");
    stage.ok(format!("skopeo copy docker://{public} oci:{target}:1"));
    assert_eq!(Content::of_layout(&target, "1"), pushed);
}
