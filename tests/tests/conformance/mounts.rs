//! Blobs that are mounted from another repository instead of being sent again.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::answer::Answer;
use crate::client::{
    Call, Client, Login, ONE, PROJECT, TWO, parameter, server, with_basic, with_tokens,
};
use crate::data::{Algorithm, Blob};
use crate::uploads::{Way, absent, carrying, present, push_ok, remove, stored, with_digest};

async fn mount(client: &Client, query: &str) -> Answer {
    client.send(Call::new("POST", format!("/v2/{ONE}/blobs/uploads/?{query}"))).await
}

fn encoded(blob: &Blob, from: &str) -> String {
    let (digest, from) = (blob.digest.replace(':', "%3A"), from.replace('/', "%2F"));
    if from.is_empty() { format!("mount={digest}") } else { format!("from={from}&mount={digest}") }
}

/// A blob of another repository, mounted.
async fn mounted(client: &Client, blob: &Blob, query: &str) {
    push_ok(client, TWO, blob, Way::PostPut).await;
    absent(client, ONE, blob).await;
    let answer = mount(client, query).await.expect(201);
    stored(client, blob, &answer).await;
    present(client, ONE, blob).await;
    remove(client, ONE, blob).await;
    present(client, TWO, blob).await;
    remove(client, TWO, blob).await;
}

/// A mount that cannot be done is a session, in which the blob is sent.
async fn falls_back(client: &Client, blob: &Blob, query: &str) {
    let answer = mount(client, query).await.expect(202);
    assert!(answer.find("docker-upload-uuid").is_some(), "{answer:?}");
    absent(client, ONE, blob).await;
    let target = with_digest(answer.header("location"), &blob.digest);
    let answer = client.send(carrying("PUT", target, &blob.bytes)).await.expect(201);
    stored(client, blob, &answer).await;
    remove(client, ONE, blob).await;
}

async fn in_the_order_of_the_suite(client: &Client, algorithm: Algorithm) {
    let mut rng = rng();
    // From here on the client has a token to push with, which says nothing of the source.
    let before = Blob::random(&mut rng, algorithm, 512);
    push_ok(client, ONE, &before, Way::PostPut).await;
    let [named, anonymous, missing] = [(); 3].map(|()| Blob::random(&mut rng, algorithm, 512));
    mounted(client, &named, &encoded(&named, TWO)).await;
    mounted(client, &anonymous, &encoded(&anonymous, "")).await;
    falls_back(client, &missing, &encoded(&missing, TWO)).await;
}

async fn blobs_are_mounted_with_and_without_a_source_and_sent_where_there_is_none(server: &Server) {
    for algorithm in Algorithm::ALL {
        in_the_order_of_the_suite(&with_tokens(server), algorithm).await;
        in_the_order_of_the_suite(&with_basic(server), algorithm).await;
    }
}

async fn a_token_without_the_source_is_challenged_for_both_and_then_mounts(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let first = Blob::random(&mut rng, Algorithm::Sha256, 100);
    push_ok(&client, ONE, &first, Way::PostPut).await;
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 100);
    push_ok(&client, TWO, &blob, Way::PostPut).await;
    let before = client.challenges().len();
    mount(&client, &encoded(&blob, TWO)).await.expect(201);
    let followed = client.challenges().split_off(before);
    assert_eq!(followed.len(), 1, "{followed:?}");
    assert_eq!(parameter(&followed[0], "error"), Some("insufficient_scope"));
    let scopes = format!("repository:{ONE}:pull,push repository:{TWO}:pull");
    assert_eq!(parameter(&followed[0], "scope"), Some(scopes.as_str()));
}

#[tokio::test]
async fn blobs_are_mounted_where_the_client_may_and_sent_where_it_may_not() {
    let server = server().await;
    blobs_are_mounted_with_and_without_a_source_and_sent_where_there_is_none(&server).await;
    a_token_without_the_source_is_challenged_for_both_and_then_mounts(&server).await;
}

async fn clients_may_spell_a_mount_in_many_ways(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let before = Blob::random(&mut rng, Algorithm::Sha256, 512);
    push_ok(&client, ONE, &before, Way::PostPut).await;
    for algorithm in Algorithm::ALL {
        let blob = Blob::random(&mut rng, algorithm, 600);
        let (digest, colon) = (&blob.digest, blob.digest.replace(':', "%3A"));
        for query in [
            format!("mount={digest}&from={TWO}"),
            format!("from={TWO}&mount={digest}"),
            format!("mount={colon}&from=conformance%2Ftwo&origin={}", server.host()),
            format!("ns=docker.io&mount={colon}&from={TWO}&unknown=1"),
            format!("mount={digest}&from="),
        ] {
            mounted(&client, &blob, &query).await;
        }
    }
}

#[tokio::test]
async fn a_mount_that_cannot_be_done_is_a_session_and_tells_nothing() {
    let (server, mut rng) = (server().await, rng());
    server.admin().create_project("secret", false).await;
    let hidden = Blob::random(&mut rng, Algorithm::Sha256, 800);
    let admin = Login::Basic("admin".to_owned(), roadstead_tests::ADMIN_PASSWORD.to_owned());
    push_ok(&Client::new(&server, admin), "secret/app", &hidden, Way::PostPut).await;
    for client in [with_tokens(&server), with_basic(&server)] {
        for from in
            ["secret/app", "secret/none", "conformance/none", "none/none", "noproject", "..", "A/B"]
        {
            falls_back(&client, &hidden, &encoded(&hidden, from)).await;
        }
        falls_back(&client, &hidden, &encoded(&hidden, "")).await;
        let unsound = mount(&client, &format!("mount=sha256:nonsense&from={TWO}")).await;
        unsound.refuses(400, "DIGEST_INVALID");
        client.get(&hidden.path("secret/app")).await.refuses(401, "UNAUTHORIZED");
    }
}

async fn a_mount_into_a_new_repository_makes_it(server: &Server) {
    let mut rng = rng();
    let client = with_basic(server);
    for (algorithm, from) in [(Algorithm::Sha256, TWO), (Algorithm::Sha512, "")] {
        let blob = Blob::random(&mut rng, algorithm, 900);
        push_ok(&client, TWO, &blob, Way::PostPut).await;
        let fresh = format!("{PROJECT}/fresh-{}", from.len());
        let target = format!("/v2/{fresh}/blobs/uploads/?{}", encoded(&blob, from));
        let answer = client.send(Call::new("POST", target)).await.expect(201);
        stored(&client, &blob, &answer).await;
        present(&client, &fresh, &blob).await;
    }
}

#[tokio::test]
async fn mounts_are_understood_however_they_are_spelled() {
    let server = server().await;
    clients_may_spell_a_mount_in_many_ways(&server).await;
    a_mount_into_a_new_repository_makes_it(&server).await;
}

#[tokio::test]
async fn whoever_wants_to_mount_is_challenged_for_both_repositories_at_once() {
    let (server, mut rng) = (server().await, rng());
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 100);
    push_ok(&with_tokens(&server), TWO, &blob, Way::PostPut).await;
    let client = with_tokens(&server);
    let answer = mount(&client, &encoded(&blob, TWO)).await;
    let scopes = format!("repository:{ONE}:pull,push repository:{TWO}:pull");
    assert_eq!(parameter(&client.challenges()[0], "scope"), Some(scopes.as_str()));
    answer.expect(201);
}
