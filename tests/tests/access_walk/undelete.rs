//! Samples of what was deleted and can be brought back.

use std::collections::HashMap;

use roadstead_tests::http::Person;

/// Deletes an artifact, a tag and a repository of a project; the id of the one that a parameter
/// names.
pub async fn make(parameter: &str, ids: &HashMap<&'static str, String>, admin: &Person) -> String {
    let project = &ids["project_name"];
    let repository = format!("{project}/gone");
    let (_, digest) = admin.push_image(&repository, "v1", b"a layer of it").await;
    let (kind, path) = match parameter {
        "deleted_tag_id" => ("tags", format!("/v2/{repository}/manifests/v1")),
        "deleted_artifact_id" => ("artifacts", format!("/v2/{repository}/manifests/{digest}")),
        "deleted_repository_id" => {
            ("repositories", format!("/api/v2.0/projects/{project}/repositories/gone"))
        }
        _ => panic!("the parameter {{{parameter}}} needs a sample"),
    };
    let status = admin.delete(&path).await.status();
    assert!(status.is_success(), "{path}: {status}");
    let list = format!("/api/v2.0/projects/{project}/deleted/{kind}?sort=-id&page_size=1");
    admin.read_json(&list).await[0]["id"].to_string()
}
