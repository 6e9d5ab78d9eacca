//! Bringing back.

use roadstead_tests::api::timeless;
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::content::{INDEX, MANIFEST, descriptor, image, index, sha256};
use roadstead_tests::http::{Person, error_code};
use serde_json::{Value, json};

use super::stage::{blob, collect, delete, deleted, objects, pull, restore, setup, team};

const APP: &str = "team/app";
const LAYER: &[u8] = b"a layer that somebody wants back";

fn names(value: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_comes_back_after_collection_with_its_bytes_tags_and_labels() {
    let (server, alice) = team(setup()).await;
    let (manifest, digest) = alice.push_image(APP, "v1", LAYER).await;
    let put = alice.put_manifest(APP, "v2", MANIFEST, manifest.clone()).await;
    assert_eq!(put.status(), 201);
    let label = json!({"name": "keep", "scope": "p", "project_id": 2});
    let (label, _) = alice.make("/labels", &label).await;
    let id: i64 = label.rsplit('/').next().unwrap().parse().unwrap();
    let labels = format!("/projects/team/repositories/app/artifacts/{digest}/labels");
    assert_eq!(alice.status("POST", &labels, &json!({"id": id})).await, 200);
    let before = objects(&server);
    delete(&alice, APP, &digest).await;
    let log = collect(&server, json!({"delete_untagged": true})).await;
    assert!(log.contains(" 0 blobs") || log.contains("0 blobs"), "{log}");
    assert_eq!(objects(&server), before, "the bytes are kept");
    for gone in ["v1", "v2", &digest] {
        assert_eq!(pull(&alice, APP, gone).await, None);
    }
    // Knowing a digest gives nobody content, the one who deleted it included.
    assert_eq!(blob(&alice, APP, &sha256(LAYER)).await, None);
    let mount = format!("/v2/team/other/blobs/uploads/?mount={}&from={APP}", sha256(LAYER));
    assert_eq!(alice.send("POST", &mount).send().await.unwrap().status(), 202);
    let found = deleted(&alice, "artifacts").await;
    let mut expected = json!({
        "id": found[0]["id"], "repository_name": APP, "digest": digest, "media_type": MANIFEST,
        "type": "IMAGE", "artifact_type": "application/vnd.oci.image.config.v1+json",
        "size": found[0]["size"], "tags": ["v1", "v2"], "counted": false,
        "deletion_time": "T", "deleted_by": "alice", "expiration_time": "T",
    });
    assert_eq!(timeless(found[0].clone()), expected);
    assert_eq!(deleted(&alice, "tags").await.len(), 2);
    let restored = restore(&alice, "artifacts", &found[0]["id"]).await;
    assert_eq!(restored["artifacts"], 1);
    assert_eq!(names(&restored["tags"]), ["v1", "v2"]);
    assert_eq!(restored["tags_taken"], json!([]));
    for there in ["v1", "v2", &digest] {
        assert_eq!(pull(&alice, APP, there).await, Some((manifest.clone(), digest.clone())));
    }
    assert_eq!(blob(&alice, APP, &sha256(LAYER)).await.as_deref(), Some(LAYER));
    let artifact = format!("/projects/team/repositories/app/artifacts/{digest}?with_label=true");
    assert_eq!(alice.read(&artifact).await["labels"][0]["name"], "keep");
    for kind in ["artifacts", "tags", "repositories"] {
        assert_eq!(deleted(&alice, kind).await, Vec::<Value>::new(), "{kind}");
    }
    // What is there stays, whatever collection does; what is asked for twice is not there.
    collect(&server, json!({"delete_untagged": true})).await;
    assert!(pull(&alice, APP, "v1").await.is_some());
    let path = format!("/projects/team/deleted/artifacts/{}/restore", expected["id"].take());
    let again = alice.call("POST", &path, &Value::Null).await;
    assert_eq!((again.status().as_u16(), error_code(again).await.as_str()), (404, "NOT_FOUND"));
    let audit = alice.read("/projects/team/auditlog-exts?q=operation=restore").await;
    assert_eq!(audit[0]["resource_type"], "artifact");
}

/// Two images, an index over them that `v1` names, and what refers to the index; the digests of
/// all, and of a blob of each image.
async fn push_family(person: &Person) -> ([String; 4], [String; 2]) {
    let (mut images, mut blobs) = (Vec::new(), Vec::new());
    for platform in ["amd64", "arm64"] {
        let config = json!({"architecture": platform, "os": "linux"}).to_string();
        blobs.push(person.push_blob(APP, config.as_bytes()).await);
        let bytes = image(config.as_bytes(), &[]).to_string();
        let digest = sha256(bytes.as_bytes());
        let put = person.put_manifest(APP, &digest, MANIFEST, bytes.clone()).await;
        assert_eq!(put.status(), 201);
        images.push(bytes);
    }
    let children: Vec<Value> =
        images.iter().map(|bytes| descriptor(MANIFEST, bytes.as_bytes())).collect();
    let parent = index(&children).to_string();
    assert_eq!(person.put_manifest(APP, "v1", INDEX, parent.clone()).await.status(), 201);
    person.push_blob(APP, b"{}").await;
    let mut referrer = image(b"{}", &[]);
    referrer["subject"] = descriptor(INDEX, parent.as_bytes());
    referrer["artifactType"] = json!("application/x-signature");
    let referrer = referrer.to_string();
    let digest = sha256(referrer.as_bytes());
    let put = person.put_manifest(APP, &digest, MANIFEST, referrer).await;
    assert_eq!(put.status(), 201);
    let digests = [
        sha256(images[0].as_bytes()),
        sha256(images[1].as_bytes()),
        sha256(parent.as_bytes()),
        digest,
    ];
    (digests, blobs.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_comes_back_with_its_children_and_with_what_refers_to_it() {
    let (server, alice) = team(setup()).await;
    let (digests, blobs) = push_family(&alice).await;
    delete(&alice, APP, &digests[2]).await;
    // Twice: the children are garbage after the index, and what they hold after them.
    for _ in 0..2 {
        collect(&server, json!({"delete_untagged": true})).await;
    }
    for digest in &digests {
        assert_eq!(pull(&alice, APP, digest).await, None);
    }
    let found = deleted(&alice, "artifacts").await;
    assert_eq!(found.len(), 4, "{found:?}");
    let index = found.iter().find(|artifact| artifact["digest"] == digests[2].as_str()).unwrap();
    let restored = restore(&alice, "artifacts", &index["id"]).await;
    assert_eq!(restored, json!({"artifacts": 4, "tags": ["v1"], "tags_taken": []}));
    for digest in &digests {
        assert!(pull(&alice, APP, digest).await.is_some());
    }
    for digest in &blobs {
        assert!(blob(&alice, APP, digest).await.is_some());
    }
    let referrers = alice.read_json(&format!("/v2/{APP}/referrers/{}", digests[2])).await;
    assert_eq!(referrers["manifests"][0]["digest"], digests[3].as_str());
    for _ in 0..2 {
        collect(&server, json!({"delete_untagged": true})).await;
    }
    for digest in &digests {
        assert!(pull(&alice, APP, digest).await.is_some(), "it is no garbage");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_comes_back_and_so_does_what_it_named_when_that_was_collected() {
    let (server, alice) = team(setup()).await;
    let (manifest, digest) = alice.push_image(APP, "v1", LAYER).await;
    delete(&alice, APP, "v1").await;
    let found = deleted(&alice, "tags").await;
    let expected = json!({
        "id": found[0]["id"], "repository_name": APP, "name": "v1", "digest": digest,
        "deletion_time": "T", "deleted_by": "alice", "expiration_time": "T",
    });
    assert_eq!(timeless(found[0].clone()), expected);
    let restored = restore(&alice, "tags", &found[0]["id"]).await;
    assert_eq!(restored, json!({"artifacts": 0, "tags": ["v1"], "tags_taken": []}));
    delete(&alice, APP, "v1").await;
    collect(&server, json!({"delete_untagged": true})).await;
    assert_eq!(pull(&alice, APP, &digest).await, None, "it was collected");
    let id = deleted(&alice, "tags").await[0]["id"].clone();
    let restored = restore(&alice, "tags", &id).await;
    assert_eq!(restored, json!({"artifacts": 1, "tags": ["v1"], "tags_taken": []}));
    assert_eq!(pull(&alice, APP, "v1").await, Some((manifest, digest)));
    assert_eq!(blob(&alice, APP, &sha256(LAYER)).await.as_deref(), Some(LAYER));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_names_something_else_by_now_is_left_alone() {
    let (_server, alice) = team(setup()).await;
    let (_, first) = alice.push_image(APP, "v1", LAYER).await;
    alice.push_image(APP, "other", b"another").await;
    delete(&alice, APP, &first).await;
    let (_, second) = alice.push_image(APP, "v1", b"something else").await;
    let id = deleted(&alice, "artifacts").await[0]["id"].clone();
    let tag = deleted(&alice, "tags").await[0]["id"].clone();
    let path = format!("/projects/team/deleted/tags/{tag}/restore");
    let refused = alice.call("POST", &path, &Value::Null).await;
    assert_eq!((refused.status().as_u16(), error_code(refused).await.as_str()), (409, "CONFLICT"));
    let restored = restore(&alice, "artifacts", &id).await;
    assert_eq!(restored, json!({"artifacts": 1, "tags": [], "tags_taken": ["v1"]}));
    assert_eq!(pull(&alice, APP, "v1").await.unwrap().1, second);
    assert_eq!(pull(&alice, APP, &first).await.unwrap().1, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_comes_back_with_all_that_was_in_it() {
    let (server, alice) = team(setup()).await;
    let (digests, blobs) = push_family(&alice).await;
    let (_, single) = alice.push_image(APP, "single", LAYER).await;
    let described = json!({"description": "what it is for"});
    alice.change("PUT", "/projects/team/repositories/app", &described).await;
    alice.change("DELETE", "/projects/team/repositories/app", &Value::Null).await;
    collect(&server, json!({"delete_untagged": true})).await;
    assert_eq!(pull(&alice, APP, "single").await, None);
    let found = deleted(&alice, "repositories").await;
    let expected = json!({
        "id": found[0]["id"], "name": APP, "description": "what it is for", "artifact_count": 5,
        "deletion_time": "T", "deleted_by": "alice", "expiration_time": "T",
    });
    assert_eq!(timeless(found[0].clone()), expected);
    assert_eq!(deleted(&alice, "artifacts").await.len(), 5);
    let restored = restore(&alice, "repositories", &found[0]["id"]).await;
    assert_eq!(restored["artifacts"], 5);
    assert_eq!(names(&restored["tags"]), ["single", "v1"]);
    for digest in digests.iter().chain([&single]) {
        assert!(pull(&alice, APP, digest).await.is_some());
    }
    for digest in &blobs {
        assert!(blob(&alice, APP, digest).await.is_some());
    }
    let repository = alice.read("/projects/team/repositories/app").await;
    assert_eq!(repository["description"], "what it is for");
    assert_eq!(deleted(&alice, "repositories").await, Vec::<Value>::new());
}

/// A deleted artifact may be a leaked secret: who may push is not yet who may bring it back.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_delete_may_bring_back() {
    let (server, alice) = team(setup()).await;
    let (_, digest) = alice.push_image(APP, "v1", LAYER).await;
    delete(&alice, APP, &digest).await;
    let id = deleted(&alice, "artifacts").await[0]["id"].clone();
    let path = format!("/projects/team/deleted/artifacts/{id}");
    for (name, role, restores) in [("guest", 3, 403), ("developer", 2, 403), ("maintainer", 4, 200)]
    {
        server.admin().create_user(name).await;
        let member = json!({"role_id": role, "member_user": {"username": name}});
        alice.make("/projects/team/members", &member).await;
        let person = server.person(name, PASSWORD);
        let restore = format!("{path}/restore");
        if restores != 200 {
            assert_eq!(person.status("DELETE", &path, &Value::Null).await, 403, "{name}");
        }
        assert_eq!(person.status("POST", &restore, &Value::Null).await, restores, "{name}");
    }
    // Of another project there is nothing to be found under this one's name.
    alice.create_project("mine", false).await;
    delete(&alice, APP, &digest).await;
    let id = deleted(&alice, "artifacts").await[0]["id"].clone();
    for (method, path) in [
        ("POST", format!("/projects/mine/deleted/artifacts/{id}/restore")),
        ("DELETE", format!("/projects/mine/deleted/artifacts/{id}")),
    ] {
        assert_eq!(alice.status(method, &path, &Value::Null).await, 404);
    }
}
