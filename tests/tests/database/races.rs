//! Writers at the same time, which PostgreSQL does not put one behind the other by itself. What
//! they leave is checked by the `fsck` at the end: counts, links, and who holds what.

use std::sync::Arc;

use futures_util::future::join_all;
use roadstead_tests::Setup;
use roadstead_tests::content::{self, MANIFEST, sha256};
use serde_json::json;

use crate::left_out;

fn rounds(many: usize) -> usize {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() { many / 4 } else { many }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_comes_and_goes_in_two_repositories_is_counted_right() {
    if left_out() {
        return;
    }
    let server = Arc::new(Setup::new().postgres().start());
    let layer = b"a layer of both".to_vec();
    let digest = sha256(&layer);
    let clients = (0..8).map(|n| {
        let (server, layer, digest) = (server.clone(), layer.clone(), digest.clone());
        tokio::spawn(async move {
            let admin = server.admin();
            let repository = format!("library/r{}", n % 2);
            for _ in 0..rounds(24) {
                admin.push_blob(&repository, &layer).await;
                let path = format!("/v2/{repository}/blobs/{digest}");
                let status = admin.status_of("DELETE", &path).await;
                assert!(matches!(status, 202 | 404), "{status}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_make_a_tag_only_if_it_is_not_there_one_does() {
    if left_out() {
        return;
    }
    let server = Setup::new().postgres().start();
    let admin = server.admin();
    let config = b"{}".to_vec();
    admin.push_blob("library/app", &config).await;
    let mut manifests = Vec::new();
    for n in 0..8 {
        let layer = format!("layer {n}").into_bytes();
        admin.push_blob("library/app", &layer).await;
        manifests.push(serde_json::to_vec(&content::image(&config, &[&layer])).unwrap());
    }
    for round in 0..rounds(40) {
        let pushes = manifests.iter().map(|manifest| {
            admin
                .send("PUT", &format!("/v2/library/app/manifests/t{round}"))
                .header("content-type", MANIFEST)
                .header("if-none-match", "*")
                .body(manifest.clone())
                .send()
        });
        let answers = join_all(pushes).await;
        let statuses: Vec<u16> =
            answers.into_iter().map(|a| a.unwrap().status().as_u16()).collect();
        let made = statuses.iter().filter(|status| **status == 201).count();
        assert_eq!(made, 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 412)), "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_deletions_and_changes_of_rules_at_once_end_in_answers_and_no_circle() {
    if left_out() {
        return;
    }
    let server = Arc::new(Setup::new().postgres().start());
    server.admin().create_project("team", false).await;
    let clients = (0..8).map(|n| {
        let server = server.clone();
        tokio::spawn(async move {
            let admin = server.admin();
            let config = b"{}".to_vec();
            for round in 0..rounds(16) {
                let repository = format!("team/r{}", (n + round) % 2);
                if n == 0 {
                    let path = format!("/api/v2.0/projects/team/repositories/r{}", round % 2);
                    let status = admin.status_of("DELETE", &path).await;
                    assert!(matches!(status, 200 | 404 | 409 | 412), "deleting: {status}");
                    continue;
                }
                if n == 1 {
                    let quota = json!({"hard": {"storage": -1}});
                    let _ = admin.json("PUT", "/api/v2.0/quotas/1", &quota).await;
                    let body = json!({"metadata": {"public": (round % 2 == 0).to_string()}});
                    let status = admin.json("PUT", "/api/v2.0/projects/team", &body).await;
                    assert_eq!(status, 200);
                    continue;
                }
                let layer = format!("layer {}", round % 3).into_bytes();
                let manifest = serde_json::to_vec(&content::image(&config, &[&layer])).unwrap();
                // A repository that is deleted meanwhile may refuse any step of a push.
                for blob in [&config, &layer] {
                    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", sha256(blob));
                    let answer = admin.send("POST", &path).body(blob.clone()).send().await.unwrap();
                    let status = answer.status().as_u16();
                    assert!(matches!(status, 201 | 404 | 503), "a blob: {status}");
                }
                let tags = if n % 2 == 0 { "a?tag=b" } else { "b?tag=a" };
                let put = admin.put_manifest(&repository, tags, MANIFEST, manifest.clone()).await;
                let status = put.status().as_u16();
                assert!(matches!(status, 201 | 400 | 404 | 503), "a manifest: {status}");
                let path = format!("/v2/{repository}/manifests/{}", sha256(&manifest));
                let status = admin.status_of("DELETE", &path).await;
                assert!(matches!(status, 202 | 404), "deleting a manifest: {status}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
