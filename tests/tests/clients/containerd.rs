//! containerd with ctr.

use roadstead_tests::clients::{Containerd, Content, PASSWORD, Stage};

/// Brings a layout into containerd under a reference.
fn import(stage: &Stage, layout: &str, reference: &str) {
    let archive = stage.bench.at("import.tar");
    stage.ok(format!("tar --create --file {archive} --directory {layout} ."));
    let name = "--base-name imported --index-name imported:index";
    let import = "ctr images import --no-unpack --all-platforms";
    stage.ok(format!("{import} {name} {archive}"));
    let names = stage.ok("ctr images list --quiet").lines();
    let name = names.iter().find(|name| name.starts_with("imported:") && *name != "imported:index");
    stage.ok(format!("ctr images tag {} {reference}", name.expect("an imported image")));
    stage.ok(format!("ctr images remove {}", names.join(" ")));
}

/// What containerd holds under a digest.
fn held(stage: &Stage, digest: &str) -> Content {
    Content::walk(digest, |digest, _| {
        stage.ok(format!("ctr content get {digest}")).bytes().to_vec()
    })
}

/// Makes containerd forget everything.
fn forget(stage: &Stage) {
    let names = stage.ok("ctr images list --quiet").lines();
    stage.ok(format!("ctr images remove --sync {}", names.join(" ")));
    stage.ok("ctr content prune references");
    assert!(stage.ok("ctr content list --quiet").text().is_empty(), "nothing is left");
}

fn push(user: &str) -> String {
    format!("ctr images push --plain-http --user {user}:{PASSWORD}")
}

#[tokio::test]
async fn containerd_pushes_once_pulls_and_mounts_an_image_to_the_byte() {
    let mut stage = Stage::new().await;
    let _daemon = Containerd::start(&mut stage.bench);
    let (layout, pushed) = stage.image("layout", "1");
    let (first, second) = (stage.at("acme/app:1"), stage.at("other/copy:1"));
    import(&stage, &layout, &first);
    stage.listen();
    stage.ok(format!("{} {first}", push("alice")));
    assert_eq!(stage.uploads(), 4, "three layers and a config");
    assert_eq!(stage.content("acme/app", "1").await, pushed);
    stage.listen();
    stage.ok(format!("{} {first}", push("alice")));
    assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");

    let pull = format!("ctr images pull --plain-http --user alice:{PASSWORD}");
    let by_digest = stage.at(&format!("acme/app@{}", pushed.digest()));
    for reference in [&by_digest, &first] {
        forget(&stage);
        stage.ok(format!("{pull} {reference}"));
        assert_eq!(held(&stage, pushed.digest()), pushed);
    }
    stage.ok(format!("ctr images tag {first} {second}"));
    stage.listen();
    stage.ok(format!("{} {second}", push("alice")));
    assert_eq!((stage.mounts(), stage.uploads()), (4, 0), "every blob is mounted");
    assert_eq!(stage.content("other/copy", "1").await, pushed);
}

#[tokio::test]
async fn containerd_pushes_and_pulls_an_index_and_an_artifact_with_a_subject() {
    let mut stage = Stage::new().await;
    let _daemon = Containerd::start(&mut stage.bench);
    let (layout, pushed) = stage.index("layout", "1");
    let target = stage.at("acme/app:1");
    import(&stage, &layout, &target);
    stage.ok(format!("{} {target}", push("alice")));
    assert_eq!(stage.content("acme/app", "1").await, pushed);
    let (attachment, statement) = stage.artifact("statement", "s", &pushed);
    let attached = stage.at("acme/app:s");
    import(&stage, &attachment, &attached);
    stage.ok(format!("{} {attached}", push("alice")));
    assert_eq!(stage.content("acme/app", "s").await, statement);
    assert_eq!(stage.referrers("acme/app", pushed.digest()).await, [statement.digest()]);

    forget(&stage);
    let options = format!("--plain-http --user alice:{PASSWORD} --all-platforms");
    stage.ok(format!("ctr images pull {options} {target}"));
    assert_eq!(held(&stage, pushed.digest()), pushed);
    stage.ok(format!("ctr content fetch {options} {attached}"));
    assert_eq!(held(&stage, statement.digest()), statement);
}

#[tokio::test]
async fn containerd_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let mut stage = Stage::new().await;
    let _daemon = Containerd::start(&mut stage.bench);
    let (layout, pushed) = stage.image("layout", "1");
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/app:1"));
    import(&stage, &layout, &private);
    stage.ok(format!("ctr images tag {private} {public}"));
    let wrong = format!("ctr images push --plain-http --user alice:wrong {private}");
    stage.refused(&wrong, &["failed to authorize", "401 Unauthorized"]);
    stage.refused(format!("{} {private}", push("mallory")), &["uthoriz"]);
    for reference in [&private, &public] {
        stage.ok(format!("{} {reference}", push("alice")));
    }
    forget(&stage);
    let pull = format!("ctr images pull --plain-http --user mallory:{PASSWORD} {private}");
    stage.refused(&pull, &["uthoriz"]);
    stage.refused(format!("ctr images pull --plain-http {private}"), &["uthoriz"]);
    stage.ok(format!("ctr images pull --plain-http {public}"));
    assert_eq!(held(&stage, pushed.digest()), pushed);
}
