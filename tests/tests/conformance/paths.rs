//! Paths, methods and parameters that are spelled in many ways.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{Call, Client, Login, ONE, PROJECT, server, with_basic, with_tokens};
use crate::cycle;
use crate::data::{Algorithm, Blob, DataSet};
use crate::shape::{Shape, TYPES, tagged_image};
use crate::uploads::{Way, push_ok};

#[tokio::test]
async fn repositories_may_be_named_like_parts_of_paths() {
    let (server, mut rng) = (server().await, rng());
    let client = with_basic(&server);
    for name in [
        "blobs",
        "manifests",
        "tags/list",
        "blobs/uploads",
        "referrers",
        "a/manifests/b",
        "v2",
        "uploads/x",
        "a.b__c-d--e/f_g",
    ] {
        let repository = format!("{PROJECT}/{name}");
        cycle::run(&client, &repository, &tagged_image(&mut rng, &Shape::default(), "list")).await;
    }
    let longest = format!("{PROJECT}/{}", "n".repeat(255 - PROJECT.len() - 1));
    push_ok(&client, &longest, &Blob::of(Algorithm::Sha256, b"x"), Way::PostPut).await;
}

async fn parameters_that_nobody_knows_are_ignored_everywhere(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let subject = Shape::default().image(&mut rng, &mut set);
    Shape::artifact(TYPES[0]).about(&mut rng, &subject).image(&mut rng, &mut set);
    set.tag("tag", &subject);
    cycle::push(&client, ONE, &set).await;
    let (manifest, blob) = (&set.manifests[0], &set.blobs[0]);
    for query in ["ns=docker.io", "ns=registry.example.com:5000&x", "unknown=%F0%9F%9A%80&=&&a=b=c"]
    {
        for path in [
            "/v2/".to_owned(),
            manifest.path(ONE),
            format!("/v2/{ONE}/manifests/tag"),
            blob.path(ONE),
            format!("/v2/{ONE}/tags/list"),
            format!("/v2/{ONE}/referrers/{}", manifest.digest),
        ] {
            let plain = client.get(&path).await.expect(200);
            let target = format!("{path}?{query}");
            client.get(&target).await.expect(200).holds(&plain.body);
            let head = client.head(&target).await.expect(200);
            assert_eq!(head.find("content-length"), plain.find("content-length"), "{target}");
            assert_eq!(head.find("content-type"), plain.find("content-type"), "{target}");
        }
        let target = format!("{}?{query}", manifest.path(ONE));
        client.send(cycle::put(target, manifest)).await.expect(201);
        client.delete(&format!("/v2/{ONE}/manifests/none?{query}")).await.expect(404);
    }
}

async fn digests_and_names_may_be_percent_encoded(server: &Server) {
    let mut rng = rng();
    let client = with_basic(server);
    for algorithm in Algorithm::ALL {
        let mut set = DataSet::new(algorithm);
        Shape::default().image(&mut rng, &mut set);
        cycle::push(&client, ONE, &set).await;
        let (manifest, blob) = (&set.manifests[0], &set.blobs[0]);
        for (path, bytes) in [(manifest.path(ONE), &manifest.bytes), (blob.path(ONE), &blob.bytes)]
        {
            for encoded in [
                path.replace(':', "%3A"),
                path.replace(':', "%3a"),
                path.replace("conformance/one", "conformance%2Fone"),
            ] {
                client.get(&encoded).await.expect(200).holds(bytes);
                client.head(&encoded).await.expect(200);
            }
        }
        let referrers = format!("/v2/{ONE}/referrers/{}", manifest.digest.replace(':', "%3A"));
        client.get(&referrers).await.expect(200);
        client.delete(&manifest.path(ONE).replace(':', "%3A")).await.expect(202);
        client.delete(&blob.path(ONE).replace(':', "%3A")).await.expect(202);
        client.head(&blob.path(ONE)).await.expect(404);
    }
}

#[tokio::test]
async fn paths_and_queries_may_be_spelled_in_many_ways() {
    let server = server().await;
    parameters_that_nobody_knows_are_ignored_everywhere(&server).await;
    digests_and_names_may_be_percent_encoded(&server).await;
}

async fn options_tell_the_methods_and_other_methods_are_refused(server: &Server) {
    let client = with_basic(server);
    let digest = Algorithm::Sha256.digest(b"x");
    for (path, allowed) in [
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        (format!("/v2/{ONE}/tags/list"), "GET, HEAD"),
        (format!("/v2/{ONE}/referrers/{digest}"), "GET, HEAD"),
        (format!("/v2/{ONE}/manifests/latest"), "GET, HEAD, PUT, DELETE"),
        (format!("/v2/{ONE}/blobs/{digest}"), "GET, HEAD, DELETE"),
        (format!("/v2/{ONE}/blobs/uploads/"), "POST"),
        (format!("/v2/{ONE}/blobs/uploads/x"), "GET, HEAD, PATCH, PUT, DELETE"),
    ] {
        let options = client.send(Call::new("OPTIONS", &path)).await;
        assert!([200, 204].contains(&options.status), "{options:?}");
        options.has("allow", allowed);
        for method in ["POST", "PATCH", "PUT", "DELETE", "TRACE", "PROPFIND"] {
            if !allowed.split(", ").any(|known| known == method) {
                let refused = client.send(Call::new(method, &path)).await;
                refused.refuses(405, "UNSUPPORTED").has("allow", allowed);
            }
        }
    }
}

async fn what_is_not_there_is_not_found_and_never_a_failure(server: &Server) {
    let client = with_basic(server);
    let digest = Algorithm::Sha256.digest(b"x");
    for path in [
        "/v2/a".to_owned(),
        format!("/v2/{ONE}"),
        format!("/v2/{ONE}/"),
        format!("/v2/{ONE}/tags"),
        format!("/v2/{ONE}/tags/list/"),
        format!("/v2/{ONE}/manifests/latest/"),
        format!("/v2/{ONE}/blobs/{digest}/"),
        format!("/v2/{ONE}/manifests/"),
        format!("/v2/{ONE}/blobs/"),
        "/v2/_catalog/".to_owned(),
        "/v2//manifests/x".to_owned(),
        "/v2/A/B/manifests/x".to_owned(),
        "/v2/a/%00/manifests/x".to_owned(),
        "/v2/a/%2e%2e/manifests/x".to_owned(),
        "/v2/%ff/a/manifests/x".to_owned(),
        format!("/v2/{}/x/manifests/x", "n".repeat(300)),
        "/v2/noproject/manifests/x".to_owned(),
    ] {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let answer = client.send(Call::new(method, &path)).await;
            assert!([400, 404, 405].contains(&answer.status), "{answer:?}");
        }
    }
    for path in ["/v2/_oci/ext/discover", "/v2/conformance/one/_oci/ext/discover"] {
        client.get(path).await.refuses(404, "EXTENSION_UNKNOWN");
    }
    let search = client.get("/v1/search?q=x&n=25").await;
    assert_eq!(search.status, 404, "podman asks for this first");
}

async fn every_refusal_to_a_stranger_carries_the_scope_that_helps(server: &Server) {
    let nobody = Client::new(server, Login::Nobody);
    let digest = Algorithm::Sha256.digest(b"x");
    for (method, path, actions) in [
        ("GET", format!("/v2/{ONE}/manifests/x"), "pull"),
        ("HEAD", format!("/v2/{ONE}/manifests/{digest}"), "pull"),
        ("GET", format!("/v2/{ONE}/blobs/{digest}"), "pull"),
        ("GET", format!("/v2/{ONE}/tags/list"), "pull"),
        ("GET", format!("/v2/{ONE}/referrers/{digest}"), "pull"),
        ("PUT", format!("/v2/{ONE}/manifests/x"), "pull,push"),
        ("POST", format!("/v2/{ONE}/blobs/uploads/"), "pull,push"),
        ("PATCH", format!("/v2/{ONE}/blobs/uploads/x"), "pull,push"),
        ("DELETE", format!("/v2/{ONE}/manifests/x"), "delete"),
        ("DELETE", format!("/v2/{ONE}/blobs/{digest}"), "delete"),
        ("GET", "/v2/no/such/manifests/x".to_owned(), "pull"),
    ] {
        let refused = nobody.send(Call::new(method, &path)).await.expect(401);
        let challenge = refused.header("www-authenticate");
        let scope = crate::client::parameter(challenge, "scope").expect("a scope");
        let name = path.trim_start_matches("/v2/");
        let name = if name.starts_with("no/such") { "no/such" } else { ONE };
        assert_eq!(scope, format!("repository:{name}:{actions}"));
    }
}

#[tokio::test]
async fn what_is_not_offered_is_refused_with_help() {
    let server = server().await;
    options_tell_the_methods_and_other_methods_are_refused(&server).await;
    what_is_not_there_is_not_found_and_never_a_failure(&server).await;
    every_refusal_to_a_stranger_carries_the_scope_that_helps(&server).await;
}
