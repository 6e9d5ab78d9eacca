//! Requests that do something, as an administrator makes them.

use roadstead_tests::cast::{PASSWORD, in_project};
use roadstead_tests::content::{INDEX, MANIFEST, descriptor, image, index};
use serde_json::{Value, json};

use crate::requests::{body, retention, rule, webhook};
use crate::routes::Route;
use crate::samples::Samples;

/// A path that finds something.
pub fn good_path(samples: &Samples, route: &Route, operation: &str) -> String {
    let path = samples.path(route).replace("from=ours/nothing:v1", "from=ours/app:v1");
    let ids = samples.ours().ids;
    match operation {
        "ListLabels" => format!("{path}?scope=g"),
        "search" => path.replace("q=app", "q=our"),
        "getCurrentUserPermissions" => format!("{path}?scope=/system"),
        "actionGetJobLog" => path.replace("all", &ids["gc_id"]),
        "listArtifacts" | "getArtifact" | "listArtifactsOfProject" => {
            format!("{path}?with_label=true&with_accessory=true&with_immutable_status=true")
        }
        _ => path,
    }
}

/// What lists are to have beside the samples.
pub async fn furnish(samples: &Samples) {
    let (server, ids) = (&samples.server, samples.ours().ids);
    let admin = server.admin();
    admin.create("/api/v2.0/labels", &json!({"name": "of all", "scope": "g"})).await;
    admin.personal_token("own", &[in_project("library", "repository:pull")]).await;
    let user = admin.read_json(&format!("/api/v2.0/users/{}", ids["user_id"])).await;
    server.log_in(user["username"].as_str().expect("a name"), PASSWORD).await;
    let list = json!({"items": [{"cve_id": "CVE-2026-1"}], "expires_at": 1_900_000_000});
    assert_eq!(admin.json("PUT", "/api/v2.0/system/CVEAllowlist", &list).await, 200);
    // An index over an image that has something attached.
    let repository = format!("ours/{}", ids["repository_name"]);
    let (manifest, _) = admin.push_image(&repository, "v1", b"a layer").await;
    let child = descriptor(MANIFEST, &manifest);
    let mut attached = image(b"{}", &[b"a layer"]);
    attached["artifactType"] = "application/vnd.example.note".into();
    attached["subject"] = child.clone();
    admin.push_blob(&repository, b"{}").await;
    let mut of_platform = child;
    of_platform["platform"] = json!({"architecture": "amd64", "os": "linux"});
    for (reference, kind, manifest) in
        [("attached", MANIFEST, attached), ("many", INDEX, index(&[of_platform]))]
    {
        let put = admin.put_manifest(&repository, reference, kind, manifest.to_string()).await;
        assert_eq!(put.status(), 201, "{reference}: {}", put.text().await.expect("text"));
    }
}

/// A body that does something: mostly the document's own example.
pub async fn good_body(
    samples: &Samples,
    route: &Route,
    operation: &Value,
    document: &Value,
) -> Value {
    let ids = samples.ours().ids;
    let number = |name: &str| ids[name].parse::<i64>().expect("a number");
    let reference =
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
    let schema = reference.and_then(|path| document.pointer(path.trim_start_matches('#')));
    let example = schema.map_or_else(|| json!({}), |schema| schema["example"].clone());
    match operation["operationId"].as_str().expect("an id") {
        "addProjectMetadatas" => json!({"prevent_vul": "true"}),
        "updateConfigurations" => json!({"token_expiration": 30}),
        "updateProjectMetadata" | "UpdateImmuRule" => body(route, &samples.path(route)),
        "CreateImmuRule" => rule("shape-*"),
        "CreateWebhookPolicyOfProject" => webhook("shape"),
        "UpdateWebhookPolicyOfProject" => webhook("changed"),
        // Nothing leaves this machine.
        "pingLdap" => json!({"ldap_url": "ldap://127.0.0.1:9"}),
        "pingOIDC" => json!({"url": "http://127.0.0.1:9"}),
        "updateRetention" => retention(number("id"), "v*"),
        "addLabel" => {
            let body = json!({"name": "added", "scope": "g"});
            let id = samples.server.admin().create("/api/v2.0/labels", &body).await;
            json!({"id": id.parse::<i64>().expect("an id")})
        }
        "updateRole" => {
            let permissions = json!([{"resource": "repository", "action": "pull"}]);
            json!({"name": "shape", "permissions": permissions})
        }
        "updateUserProfile" => {
            json!({"email": "shape@example.com", "realname": "S", "comment": ""})
        }
        "createProjectMember" => {
            json!({"role_id": 2, "member_user": {"username": "foreign-admin"}})
        }
        "UpdateRobot" => {
            let path = format!("/api/v2.0/robots/{}", ids["robot_id"]);
            samples.server.admin().read_json(&path).await
        }
        _ if example.is_null() => json!({}),
        _ => example,
    }
}
