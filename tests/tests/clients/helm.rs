//! helm.

use std::fs;

use roadstead_tests::clients::{PASSWORD, Stage};
use roadstead_tests::content::sha256;

use crate::WRONG_PASSWORD;

fn log_in(stage: &Stage, user: &str) {
    let line = format!(
        "helm registry login --plain-http --username {user} --password-stdin {}",
        stage.host()
    );
    stage.feed(&line, PASSWORD.as_bytes()).succeeded().says(&["Login Succeeded"]);
}

/// Packs a chart of one template in this version and returns the archive's path.
fn chart(stage: &Stage, version: &str) -> String {
    let about = format!("apiVersion: v2\nname: tide\nversion: {version}\ndescription: {version}\n");
    stage.bench.file("tide/Chart.yaml", about.as_bytes());
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n";
    stage.bench.file("tide/templates/map.yaml", template.as_bytes());
    stage.bench.file("tide/values.yaml", b"high: true\n");
    stage.ok("helm package tide");
    stage.bench.at(&format!("tide-{version}.tgz"))
}

#[tokio::test]
async fn helm_pushes_a_chart_and_pulls_it_by_version_range_and_digest_to_the_byte() {
    let stage = Stage::new().await;
    log_in(&stage, "alice");
    let place = format!("oci://{}", stage.at("acme/charts"));
    for version in ["1.0.0", "1.2.0", "2.0.0+build.7"] {
        let archive = chart(&stage, version);
        stage.listen();
        stage.ok(format!("helm push --plain-http {archive} {place}")).says(&["Pushed"]);
        assert_eq!(stage.uploads(), 2, "a chart and a config");
        stage.listen();
        stage.ok(format!("helm push --plain-http {archive} {place}"));
        assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");
    }
    assert_eq!(stage.tags("acme/charts/tide").await, ["1.0.0", "1.2.0", "2.0.0_build.7"]);
    let pull = "helm pull --plain-http --destination out";
    stage.bench.directory("out");
    let cases = [("1.0.0", "1.0.0"), ("^1.0", "1.2.0"), ("2.0.0+build.7", "2.0.0+build.7")];
    for (asked, version) in cases {
        stage.ok(format!("{pull} --version {asked} {place}/tide"));
        let name = format!("tide-{version}.tgz");
        let pulled = fs::read(stage.bench.path("out").join(&name)).expect("a pulled chart");
        assert!(pulled == fs::read(stage.bench.path(&name)).expect("a chart"), "{name} differs");
        let content = stage.content("acme/charts/tide", &version.replace('+', "_")).await;
        assert_eq!(content.layers(), [sha256(&pulled)]);
    }
    let digest = stage.content("acme/charts/tide", "1.0.0").await.digest().to_owned();
    stage.bench.directory("out-by-digest");
    let by_digest = "helm pull --plain-http --destination out-by-digest";
    stage.ok(format!("{by_digest} {place}/tide@{digest}"));
    let pulled = fs::read_dir(stage.bench.path("out-by-digest")).expect("a directory");
    let pulled = pulled.map(|entry| fs::read(entry.expect("an entry").path()).expect("a chart"));
    let pulled: Vec<_> = pulled.collect();
    assert!(pulled == [fs::read(stage.bench.path("tide-1.0.0.tgz")).expect("a chart")]);
    let shown = stage.ok(format!("helm show chart --plain-http {place}/tide --version 1.2.0"));
    shown.says(&["version: 1.2.0"]);
    let rendered = stage.ok(format!("helm template ebb --plain-http {place}/tide"));
    rendered.says(&["name: ebb"]);
}

#[tokio::test]
async fn helm_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let stage = Stage::new().await;
    let archive = chart(&stage, "1.0.0");
    let (private, public) = (stage.at("acme"), stage.at("open"));
    let line = "helm registry login --plain-http --username alice --password-stdin";
    let wrong = format!("{line} {}", stage.host());
    stage.feed(&wrong, b"not-her-password").failed_with(&[WRONG_PASSWORD]);
    let push = format!("helm push --plain-http {archive}");
    let nobody = "unauthorized to access repository: open/tide";
    stage.refused(format!("{push} oci://{public}"), &[nobody]);
    log_in(&stage, "alice");
    stage.ok(format!("{push} oci://{private}"));
    stage.ok(format!("{push} oci://{public}"));
    log_in(&stage, "mallory");
    stage.refused(format!("{push} oci://{private}"), &["401: Unauthorized", "acme/tide"]);
    let pull = "helm pull --plain-http --destination out";
    stage.bench.directory("out");
    stage.refused(format!("{pull} oci://{private}/tide"), &["unauthorized"]);
    stage.ok(format!("helm registry logout {}", stage.host()));
    stage.ok(format!("{pull} oci://{public}/tide"));
    let pulled = fs::read(stage.bench.path("out/tide-1.0.0.tgz")).expect("a pulled chart");
    assert!(pulled == fs::read(archive).expect("a chart"), "the chart differs");
}
