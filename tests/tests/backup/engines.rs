use roadstead_tests::Setup;
use roadstead_tests::content::sha256;

use super::{back_up, restored};

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_moves_from_sqlite_to_postgresql_and_back() {
    if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
        println!("left out of the short run: it needs PostgreSQL");
        return;
    }
    let first = Setup::new().sqlite().start();
    let admin = first.admin();
    admin.create_project("moved", false).await;
    admin.create_user("ann").await;
    let layer = vec![9; 50_000];
    let (manifest, digest) = admin.push_image("moved/app", "v1", &layer).await;
    let there = first.scratch().join("there");
    back_up(&first, &there, &["--with-secret-key"]);
    let second = restored(Setup::new().postgres(), &there);
    second.admin().push_image("moved/app", "v2", b"in between").await;
    second.assert_clean(&["--deep"]);
    let back = second.scratch().join("back");
    back_up(&second, &back, &["--with-secret-key"]);
    let third = restored(Setup::new().sqlite(), &back);
    for server in [&second, &third] {
        let person = server.admin();
        let pulled = person.get("/v2/moved/app/manifests/v1").await;
        assert_eq!(pulled.bytes().await.unwrap(), manifest, "{digest}");
        let blob = format!("/v2/moved/app/blobs/{}", sha256(&layer));
        assert_eq!(person.get(&blob).await.bytes().await.unwrap(), layer);
        let ann = server.person("ann", "Password-1");
        assert_eq!(ann.status_of("GET", "/api/v2.0/users/current").await, 200);
        assert_eq!(server.nobody().status_of("GET", &blob).await, 401, "it is private still");
        person.create_project(&format!("more-{}", server.address().port()), true).await;
    }
    let tags = third.admin().read_json("/v2/moved/app/tags/list").await;
    assert_eq!(tags["tags"], serde_json::json!(["v1", "v2"]));
}
