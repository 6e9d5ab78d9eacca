//! The life of a data set: pushed, listed, pulled, found as referrers, deleted.

use std::collections::BTreeSet;

use roadstead_tests::content::INDEX;
use serde_json::Value;

use crate::answer::Answer;
use crate::client::{Call, Client};
use crate::data::{DataSet, Manifest};
use crate::uploads::{Way, absent, present, push_ok, remove};

/// Runs the whole life in a repository.
pub(crate) async fn run(client: &Client, repository: &str, set: &DataSet) {
    push(client, repository, set).await;
    list(client, repository, set).await;
    pull(client, repository, set).await;
    referrers(client, repository, set).await;
    delete(client, repository, set).await;
}

/// A PUT of a manifest as the suite sends it: of unknown length.
pub(crate) fn put(target: String, manifest: &Manifest) -> Call {
    Call::new("PUT", target).with("content-type", &manifest.media_type).streamed(&manifest.bytes)
}

/// Pushes everything, the blobs in turn by every way there is.
pub(crate) async fn push(client: &Client, repository: &str, set: &DataSet) {
    for (blob, way) in set.blobs.iter().zip(Way::ALL.iter().cycle()) {
        push_ok(client, repository, blob, *way).await;
    }
    for manifest in &set.manifests {
        let names = set.tags.iter().filter(|(_, digest)| **digest == manifest.digest);
        let names: BTreeSet<&str> = names.map(|(tag, _)| tag.as_str()).collect();
        let mut target = manifest.path(repository);
        if set.tag_parameter {
            let query: Vec<String> = names.iter().map(|tag| format!("tag={tag}")).collect();
            target = format!("{target}?{}", query.join("&"));
        }
        let answer = client.send(put(target, manifest)).await.expect(201);
        published(client, manifest, &answer).await;
        if set.tag_parameter {
            let tags: BTreeSet<&str> = answer.header("oci-tag").split(", ").collect();
            assert_eq!(tags, names, "{answer:?}");
        }
    }
    let by_tag = set.tags.iter().filter(|_| !set.tag_parameter);
    for (tag, digest) in by_tag {
        let manifest = set.find(digest);
        let target = format!("/v2/{repository}/manifests/{tag}");
        let answer = client.send(put(target, manifest)).await.expect(201);
        published(client, manifest, &answer).await;
    }
}

/// The answer to a PUT says what was published, and where.
pub(crate) async fn published(client: &Client, manifest: &Manifest, answer: &Answer) {
    assert_eq!(answer.header("docker-content-digest"), manifest.digest);
    assert_eq!(answer.find("oci-subject"), manifest.subject.as_deref(), "{answer:?}");
    same(client, answer.header("location"), manifest, "GET").await;
}

/// What is at a path is this manifest, in every header and byte.
async fn same(client: &Client, path: &str, manifest: &Manifest, method: &str) {
    let call = Call::new(method, path)
        .with("accept", INDEX)
        .with("accept", roadstead_tests::content::MANIFEST);
    let answer = client.send(call).await.expect(200);
    answer
        .has("content-type", &manifest.media_type)
        .has("content-length", &manifest.bytes.len().to_string())
        .has("docker-content-digest", &manifest.digest)
        .has("etag", &format!("\"{}\"", manifest.digest))
        .holds(if method == "GET" { &manifest.bytes } else { &[] });
}

/// The list of tags has them all in byte order, also in pages and after any of them.
async fn list(client: &Client, repository: &str, set: &DataSet) {
    let path = format!("/v2/{repository}/tags/list");
    let answer = client.get(&path).await;
    if set.tags.is_empty() && answer.status == 404 {
        return;
    }
    let answer = answer.expect(200).lacks("link");
    assert_eq!(answer.json()["name"], repository);
    let tags = answer.list("tags");
    assert!(tags.is_sorted(), "{tags:?}");
    let missing = set.tags.keys().find(|tag| !tags.contains(tag));
    assert_eq!(missing, None, "not in {tags:?}");
    for (index, last) in tags.iter().enumerate() {
        let rest = client.get(&format!("{path}?last={last}")).await.expect(200);
        assert_eq!(rest.list("tags"), tags[index + 1..], "after {last}");
    }
    let (mut paged, mut next) = (Vec::new(), Some(format!("{path}?n=1")));
    while let Some(page) = next {
        let answer = client.get(&page).await.expect(200);
        paged.extend(answer.list("tags"));
        next = answer.next();
    }
    assert_eq!(paged, tags);
}

/// HEAD and GET of everything.
async fn pull(client: &Client, repository: &str, set: &DataSet) {
    for method in ["HEAD", "GET"] {
        for (tag, digest) in &set.tags {
            let path = format!("/v2/{repository}/manifests/{tag}");
            same(client, &path, set.find(digest), method).await;
        }
        for manifest in &set.manifests {
            same(client, &manifest.path(repository), manifest, method).await;
        }
    }
    for blob in &set.blobs {
        present(client, repository, blob).await;
    }
}

/// The referrers of a subject, as an index says them.
pub(crate) fn manifests_of(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), INDEX);
    let body = answer.json();
    assert_eq!((&body["schemaVersion"], &body["mediaType"]), (&2.into(), &INDEX.into()));
    body["manifests"].as_array().expect("a list").clone()
}

/// Every subject lists its referrers, all of them and by type.
async fn referrers(client: &Client, repository: &str, set: &DataSet) {
    let sorted = |mut list: Vec<Value>| {
        list.sort_by_key(|entry| entry["digest"].to_string());
        list
    };
    for (subject, expected) in &set.referrers {
        let path = format!("/v2/{repository}/referrers/{subject}");
        let answer = client.get(&path).await.expect(200).lacks("oci-filters-applied");
        assert_eq!(sorted(manifests_of(&answer)), sorted(expected.clone()));
        let types: BTreeSet<&str> =
            expected.iter().filter_map(|entry| entry["artifactType"].as_str()).collect();
        for artifact_type in types {
            let encoded = artifact_type.replace('/', "%2F").replace('+', "%2B");
            let answer = client.get(&format!("{path}?artifactType={encoded}")).await.expect(200);
            let answer = answer.has("oci-filters-applied", "artifactType");
            let of_type = expected.iter().filter(|entry| entry["artifactType"] == artifact_type);
            assert_eq!(sorted(manifests_of(&answer)), sorted(of_type.cloned().collect()));
        }
    }
}

/// Tags, manifests from the last to the first, and blobs go; each is gone at once.
async fn delete(client: &Client, repository: &str, set: &DataSet) {
    for tag in set.tags.keys() {
        let path = format!("/v2/{repository}/manifests/{tag}");
        client.delete(&path).await.expect(202);
        client.head(&path).await.expect(404);
    }
    for manifest in &set.manifests {
        client.head(&manifest.path(repository)).await.expect(200);
    }
    for manifest in set.manifests.iter().rev() {
        let path = manifest.path(repository);
        client.delete(&path).await.expect(202);
        client.head(&path).await.expect(404);
        client.delete(&path).await.refuses(404, "MANIFEST_UNKNOWN");
    }
    for blob in &set.blobs {
        remove(client, repository, blob).await;
        absent(client, repository, blob).await;
    }
}
