//! Pools of one connection each: whoever took a second one would wait for ever.

use std::sync::Arc;

use roadstead_tests::Setup;
use roadstead_tests::content::MANIFEST;
use serde_json::json;

use crate::left_out;

#[tokio::test(flavor = "multi_thread")]
async fn with_one_connection_to_read_and_one_to_write_everything_goes_on() {
    if left_out() {
        return;
    }
    let setup = Setup::new()
        .postgres()
        .env("ROADSTEAD_DATABASE_CONNECTIONS", "1")
        .env("ROADSTEAD_DATABASE_ACQUIRE_TIMEOUT", "20s");
    let server = Arc::new(setup.start());
    let (_, digest) = server.admin().push_image("library/app", "v1", b"a layer").await;
    let clients = (0..16).map(|n| {
        let (server, digest) = (server.clone(), digest.clone());
        tokio::spawn(async move {
            let admin = server.admin();
            for round in 0..4 {
                let layer = format!("layer {n} {round}");
                let repository = format!("library/app{}", n % 4);
                let tag = format!("v{n}");
                admin.push_image(&repository, &tag, layer.as_bytes()).await;
                let manifest = format!("/v2/{repository}/manifests/{tag}");
                assert_eq!(admin.get(&manifest).await.status(), 200);
                assert_eq!(
                    admin.get("/api/v2.0/projects/library/repositories").await.status(),
                    200
                );
                let old = format!("/v2/library/app/manifests/{digest}");
                assert_eq!(admin.head(&old).await.status(), 200);
                let name = format!("p{n}-{round}");
                let project = json!({"project_name": name});
                assert_eq!(admin.json("POST", "/api/v2.0/projects", &project).await, 201);
                let refused = admin.put_manifest(&repository, "x", MANIFEST, "{}").await;
                assert_eq!(refused.status(), 400);
                assert_eq!(admin.delete(&manifest).await.status(), 202);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert!(!server.log().contains("a second connection"), "{}", server.log());
}
