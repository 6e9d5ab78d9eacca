use roadstead_tests::{Server, Setup};

use super::{back_up, restored};

async fn status(server: &Server, token: &str) -> u16 {
    server.bearer(token).status_of("GET", "/v2/library/secret/tags/list").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_issued_before_a_restore_opens_anything_after_it() {
    let mut server = Setup::new().start();
    let admin = server.admin();
    admin.create_project("closed", false).await;
    admin.push_image("closed/app", "v1", b"layer").await;
    admin.create_user("ann").await;
    let scope = "repository:closed/app:pull";
    let (before, _) = admin.registry_token(scope).await;
    let directory = server.scratch().join("backup");
    back_up(&server, &directory, &["--with-secret-key"]);
    let (after, _) = admin.registry_token(scope).await;
    // Whatever ends logins changes the epoch; the backup knows nothing of it.
    let pull = "/v2/closed/app/manifests/v1";
    assert_eq!(server.bearer(&before).status_of("GET", pull).await, 200);
    let copy = restored(Setup::new(), &directory);
    for token in [&before, &after] {
        assert_eq!(copy.bearer(token).status_of("GET", pull).await, 401);
        assert_eq!(status(&copy, token).await, 401);
    }
    let (fresh, _) = copy.admin().registry_token(scope).await;
    assert_eq!(copy.bearer(&fresh).status_of("GET", pull).await, 200);
    assert_eq!(server.bearer(&fresh).status_of("GET", pull).await, 401, "nor the other way round");
    // Ids go on where they were, so that nobody inherits what another had.
    copy.admin().create_user("bob").await;
    let ann = copy.person("ann", "Password-1").read_json("/api/v2.0/users/current").await;
    let bob = copy.person("bob", "Password-1").read_json("/api/v2.0/users/current").await;
    assert!(bob["user_id"].as_i64() > ann["user_id"].as_i64());
    let log = copy.admin().read_json("/api/v2.0/audit-logs?page_size=10").await.to_string();
    assert!(log.contains(r#""operation":"restore""#), "{log}");
    server.kill();
}
