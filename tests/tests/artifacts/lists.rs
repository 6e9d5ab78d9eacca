//! Lists of artifacts, and single ones.

use roadstead_tests::content::{INDEX, MANIFEST};
use roadstead_tests::http::header;
use serde_json::{Value, json};

use super::stage::{APP, IMAGE_CONFIG, column, push, push_image, push_index, started};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_shown_as_in_harbor() {
    let server = started();
    let admin = server.admin();
    let (manifest, digest) = push_image(&admin, "v1", "amd64", b"a layer").await;
    let size = manifest.to_string().len() as u64
        + manifest["config"]["size"].as_u64().unwrap()
        + manifest["layers"][0]["size"].as_u64().unwrap();
    let mut found = admin.read(&format!("{APP}/v1")).await;
    for (key, times) in [("push_time", true), ("pull_time", false)] {
        let time = found.as_object_mut().unwrap().remove(key).unwrap();
        assert_eq!(time != "0001-01-01T00:00:00.000Z", times, "{key}");
    }
    let mut tag = found["tags"][0].take();
    tag.as_object_mut().unwrap().remove("push_time").unwrap();
    found["tags"][0] = tag;
    let id = found["id"].clone();
    let repository = found["repository_id"].clone();
    let expected = json!({
        "id": id, "type": "IMAGE", "media_type": IMAGE_CONFIG, "manifest_media_type": MANIFEST,
        "artifact_type": IMAGE_CONFIG, "project_id": 1, "repository_id": repository,
        "repository_name": "library/app", "digest": digest, "size": size,
        "extra_attrs": {"architecture": "amd64", "os": "linux", "author": "ada",
                        "created": "2026-01-02T03:04:05Z", "config": {"Env": ["A=1"]}},
        "references": null, "labels": null, "accessories": null,
        "tags": [{"repository_id": repository, "artifact_id": id, "name": "v1",
                  "pull_time": "0001-01-01T00:00:00.000Z", "immutable": false}],
        "addition_links": {"build_history": {"absolute": false, "href": format!(
            "/api/v2.0{APP}/{digest}/additions/build_history")}},
    });
    assert_eq!(found, expected);
    let again = admin.read(&format!("{APP}/{digest}?with_tag=false")).await;
    assert_eq!(again["tags"], Value::Null);
    for (reference, status) in
        [("v2", 404), (&digest.replace(":0", ":1").replace(":f", ":e")[..70], 404), ("-", 404)]
    {
        assert_eq!(admin.status("GET", &format!("{APP}/{reference}"), &json!({})).await, status);
    }
    let missing = APP.replace("/app/", "/other/");
    assert_eq!(admin.read(&missing).await, json!([]), "as in Harbor");
    assert_eq!(server.nobody().status("GET", APP, &json!({})).await, 200, "library is public");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_shows_what_it_names_and_lists_leave_that_out() {
    let server = started();
    let admin = server.admin();
    let (digest, children) = push_index(&admin, "multi").await;
    let list = admin.read(APP).await;
    assert_eq!(column(&list, "digest"), [digest.as_str()]);
    let found = &list[0];
    assert_eq!((&found["type"], &found["media_type"]), (&json!("IMAGE"), &json!(INDEX)));
    let references = found["references"].as_array().unwrap();
    assert_eq!(column(&found["references"], "child_digest"), children);
    assert_eq!(
        references[0]["platform"],
        json!({"architecture": "amd64", "os": "linux", "variant": "v8", "OsFeatures": null})
    );
    let mut of_children = 0;
    for (reference, child) in references.iter().zip(&children) {
        let child = admin.read(&format!("{APP}/{child}")).await;
        assert_eq!(reference["child_id"], child["id"]);
        assert_eq!(reference["parent_id"], found["id"]);
        of_children += child["size"].as_u64().unwrap();
    }
    let bytes = admin.get("/v2/library/app/manifests/multi").await.bytes().await.unwrap();
    assert_eq!(found["size"].as_u64().unwrap(), of_children + bytes.len() as u64);
    let all = admin.read(&format!("{APP}?q=base%3D*")).await;
    assert_eq!(all.as_array().unwrap().len(), 3);
    // A child with a tag of its own is an artifact like any other.
    let child = admin.get(&format!("/v2/library/app/manifests/{}", children[0])).await;
    let child: Value = serde_json::from_slice(&child.bytes().await.unwrap()).unwrap();
    push(&admin, "library/app", "own", &[], &child).await;
    assert_eq!(admin.read(APP).await.as_array().unwrap().len(), 2);
    let path = format!("{APP}/{}", children[1]);
    assert_eq!(admin.status("DELETE", &path, &json!({})).await, 412, "the index needs it");
    admin.change("DELETE", &format!("{APP}/multi"), &json!({})).await;
    assert_eq!(admin.status("GET", &format!("{APP}/{digest}"), &json!({})).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_ordered_and_cut_as_in_harbor() {
    let server = started();
    let admin = server.admin();
    let mut digests = Vec::new();
    for number in 0..3 {
        let layer = format!("layer {number}");
        let tag = format!("v{number}");
        digests.push(push_image(&admin, &tag, "amd64", layer.as_bytes()).await.1);
    }
    let (manifest, untagged) = push_image(&admin, "gone", "arm64", b"no tag").await;
    admin.delete("/v2/library/app/manifests/gone").await;
    let answer = admin.get(&format!("/api/v2.0{APP}?page_size=2")).await;
    assert_eq!(header(&answer, "x-total-count"), "4");
    assert!(header(&answer, "link").contains("rel=\"next\""));
    let page: Value = answer.json().await.unwrap();
    assert_eq!(column(&page, "digest"), [untagged.clone(), digests[2].clone()], "the last first");
    let of = async |query: &str| {
        let path = format!("{APP}?{query}");
        column(&admin.read(&path).await, "digest")
    };
    assert_eq!(of("q=tags%3Dnil").await, [untagged.as_str()]);
    assert_eq!(of("q=tags%3D*&sort=push_time").await, digests);
    assert_eq!(of("q=tags%3Dv1").await, [digests[1].clone()]);
    assert_eq!(of("q=tags%3D~V&sort=id").await, digests);
    assert_eq!(of(&format!("q=digest%3D{untagged}")).await, [untagged.as_str()]);
    assert_eq!(of("q=type%3DIMAGE").await.len(), 4);
    assert_eq!(of("q=type%3DCHART").await.len(), 0);
    assert_eq!(of("page=2&page_size=3&sort=push_time").await, [untagged]);
    for bad in ["q=tags%3D[1~2]", "q=base%3D1", "q=nothing%3D1", "sort=nothing", "q=tags"] {
        let status = admin.status("GET", &format!("{APP}?{bad}"), &json!({})).await;
        assert_eq!(status, 400, "{bad}");
    }
    let all = "/projects/library/artifacts";
    push(&admin, "library/other", "v1", &[b"no tag", &super::stage::config("arm64")], &manifest)
        .await;
    assert_eq!(admin.read(all).await.as_array().unwrap().len(), 5);
    // A plus is a blank in q, which is escaped once more.
    let kind = IMAGE_CONFIG.replace('+', "%252B");
    let latest =
        admin.read(&format!("{all}?latest_in_repository=true&q=media_type%3D{kind}")).await;
    let mut repositories = column(&latest, "repository_name");
    repositories.sort();
    assert_eq!(repositories, ["library/app", "library/other"]);
    let unclear = format!("{all}?latest_in_repository=true");
    assert_eq!(admin.status("GET", &unclear, &json!({})).await, 400);
    assert_eq!(server.nobody().status("GET", all, &json!({})).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_are_counted_and_dated() {
    let server = started();
    let admin = server.admin();
    let (_, digest) = push_image(&admin, "v1", "amd64", b"a layer").await;
    let never = "0001-01-01T00:00:00.000Z";
    for _ in 0..3 {
        admin.get("/v2/library/app/manifests/v1").await;
    }
    admin.get(&format!("/v2/library/app/manifests/{digest}")).await;
    admin.head("/v2/library/app/manifests/v1").await;
    let mut found = admin.read(&format!("{APP}/v1")).await;
    for _ in 0..100 {
        if found["pull_time"] != never {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        found = admin.read(&format!("{APP}/v1")).await;
    }
    assert_ne!(found["pull_time"], never);
    assert_ne!(found["tags"][0]["pull_time"], never);
    let repository = admin.read("/projects/library/repositories/app").await;
    assert_eq!(repository["pull_count"], 4);
}
