//! Charts of helm.

use std::fs;

use roadstead_tests::clients::Stage;
use serde_json::json;

use super::{MARKDOWN, PLAIN, addition, column, listed, log_in, parsed, shown};

const ADDITIONS: &[&str] = &["dependencies", "readme.md", "values.yaml"];

/// Makes a chart as `helm create` does, with these lines at the end of its `Chart.yaml`.
fn create(stage: &Stage, name: &str, more: &str) {
    stage.ok(format!("helm create {name}"));
    let path = format!("{name}/Chart.yaml");
    let about = fs::read_to_string(stage.bench.path(&path)).expect("a Chart.yaml");
    stage.bench.file(&path, format!("{about}{more}").as_bytes());
}

fn push(stage: &Stage, name: &str) {
    stage.ok(format!("helm package {name}"));
    let place = stage.at("acme");
    stage.ok(format!("helm push --plain-http {name}-0.1.0.tgz oci://{place}"));
}

#[tokio::test]
async fn a_chart_is_shown_with_its_documents_and_what_it_needs() {
    let stage = Stage::new().await;
    log_in(&stage);
    create(&stage, "pilot", "");
    push(&stage, "pilot");
    let place = format!("oci://{}", stage.at("acme"));
    let needs = format!(
        "dependencies:\n- name: pilot\n  version: 0.1.0\n  repository: {place}\n  alias: guide\n"
    );
    let more = "icon: https://example.com/tide.png\nkeywords: [sea, ebb]\n\
                annotations:\n  org.example.note: 'yes'\n\
                maintainers:\n- name: ada\n  email: ada@example.com\n";
    create(&stage, "tide", &format!("{needs}{more}"));
    stage.bench.file("tide/README.md", b"# Tide\n\nComes and goes.\n");
    stage.ok("helm dependency update --plain-http tide");
    push(&stage, "tide");

    let chart = shown(&stage, "tide", "0.1.0", "CHART", ADDITIONS).await;
    assert_eq!(listed(&stage, "tide").await, std::slice::from_ref(&chart));
    assert_eq!(column(&chart["tags"], "name"), ["0.1.0"]);
    assert_eq!(chart["media_type"], "application/vnd.cncf.helm.config.v1+json");
    assert_eq!(chart["annotations"]["org.opencontainers.image.title"], "tide");
    let dependency =
        json!({"name": "pilot", "version": "0.1.0", "repository": place, "alias": "guide"});
    let expected = json!({
        "apiVersion": "v2", "appVersion": "1.16.0", "name": "tide", "type": "application",
        "version": "0.1.0", "description": "A Helm chart for Kubernetes",
        "icon": "https://example.com/tide.png", "keywords": ["sea", "ebb"],
        "annotations": {"org.example.note": "yes"}, "dependencies": [dependency],
        "maintainers": [{"name": "ada", "email": "ada@example.com"}],
    });
    assert_eq!(chart["extra_attrs"], expected);

    let readme = addition(&stage, "tide", "0.1.0", "readme.md").await;
    assert_eq!(readme, (MARKDOWN.to_owned(), "# Tide\n\nComes and goes.\n".to_owned()));
    let values = fs::read_to_string(stage.bench.path("tide/values.yaml")).expect("values");
    assert_eq!(addition(&stage, "tide", "0.1.0", "values.yaml").await, (PLAIN.to_owned(), values));
    let needs = parsed(&stage, "tide", "0.1.0", "dependencies").await;
    assert_eq!(needs, json!([dependency]));

    // The other one needs nothing, and says nothing.
    shown(&stage, "pilot", "0.1.0", "CHART", ADDITIONS).await;
    assert_eq!(parsed(&stage, "pilot", "0.1.0", "dependencies").await, json!([]));
    let readme = addition(&stage, "pilot", "0.1.0", "readme.md").await;
    assert_eq!(readme, (MARKDOWN.to_owned(), String::new()));
}
