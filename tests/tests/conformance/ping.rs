//! The way in: `/v2/`.

use roadstead_tests::Server;

use crate::client::{Client, Login, parameter, server, with_basic, with_tokens};

async fn the_base_path_challenges_strangers_and_welcomes_users(server: &Server) {
    let nobody = Client::new(server, Login::Nobody);
    for path in ["/v2/", "/v2"] {
        for method in ["GET", "HEAD"] {
            let call = || crate::client::Call::new(method, path);
            let refused = nobody.send(call()).await.expect(401);
            let challenge = refused.header("www-authenticate");
            assert_eq!(challenge.matches("Bearer ").count(), 1, "{challenge}");
            assert!(!challenge.contains("Basic"), "{challenge}");
            let realm = format!("{}/service/token", server.url(""));
            assert_eq!(parameter(challenge, "realm"), Some(realm.as_str()));
            assert!(parameter(challenge, "service").is_some_and(|text| !text.is_empty()));
            assert_eq!(parameter(challenge, "scope"), None, "{challenge}");
            assert_eq!(parameter(challenge, "error"), None, "{challenge}");
            for client in [with_tokens(server), with_basic(server)] {
                let answer = client.send(call()).await.expect(200);
                answer.has("content-type", "application/json").holds(match method {
                    "GET" => b"{}",
                    _ => b"",
                });
            }
        }
    }
}

async fn bad_credentials_are_refused_and_not_taken_for_strangers(server: &Server) {
    let wrong = Client::new(server, Login::Basic("pusher".to_owned(), "wrong".to_owned()));
    wrong.get("/v2/").await.refuses(401, "UNAUTHORIZED");
    let nobody = Client::new(server, Login::Nobody);
    let call = crate::client::Call::new("GET", "/v2/").with("authorization", "Bearer nonsense");
    let refused = nobody.send(call).await.refuses(401, "UNAUTHORIZED");
    let challenge = refused.header("www-authenticate");
    assert_eq!(parameter(challenge, "error"), Some("invalid_token"));
}

#[tokio::test]
async fn strangers_are_challenged_users_welcomed_and_liars_refused() {
    let server = server().await;
    the_base_path_challenges_strangers_and_welcomes_users(&server).await;
    bad_credentials_are_refused_and_not_taken_for_strangers(&server).await;
}
