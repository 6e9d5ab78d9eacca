//! Lists of referrers beyond what fits a page.

use rand::rngs::StdRng;
use roadstead_tests::Server;
use roadstead_tests::content::rng;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::client::{Client, ONE, PROJECT, TWO, server, with_tokens};
use crate::cycle::{self, manifests_of};
use crate::data::{Algorithm, DataSet};
use crate::shape::{Shape, TYPES};

/// An artifact type that must be encoded in a query.
const PLUS: &str = "application/vnd.example.thing+json";

/// Follows the pages of a list, and checks each.
async fn pages(client: &Client, first: String, check: impl Fn(&Answer, &[Value])) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(first));
    while let Some(page) = next {
        let answer = client.get(&page).await.expect(200);
        let entries = manifests_of(&answer);
        check(&answer, &entries);
        all.extend(entries);
        next = answer.next();
    }
    all
}

fn digests(entries: &[Value]) -> Vec<String> {
    let mut digests: Vec<String> = entries
        .iter()
        .map(|entry| entry["digest"].as_str().expect("a digest").to_owned())
        .collect();
    digests.sort_unstable();
    digests
}

/// A subject, with referrers of three types in turn.
fn referred(rng: &mut StdRng, algorithm: Algorithm, count: usize) -> DataSet {
    let mut set = DataSet::new(algorithm);
    let subject = Shape::default().image(rng, &mut set);
    for n in 0..count {
        let artifact_type = [TYPES[0], TYPES[1], PLUS][n % 3];
        Shape::artifact(artifact_type).about(rng, &subject).image(rng, &mut set);
    }
    set
}

#[tokio::test]
async fn pages_of_referrers_add_up_and_keep_the_filter() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    for algorithm in Algorithm::ALL {
        let set = referred(&mut rng, algorithm, 11);
        cycle::push(&client, ONE, &set).await;
        let (subject, expected) = set.referrers.iter().next().expect("a subject");
        let path = format!("/v2/{ONE}/referrers/{subject}");
        for n in [1, 2, 3, 5, 10, 11, 12, 1000] {
            let all = pages(&client, format!("{path}?n={n}"), |answer, page| {
                assert!(page.len() <= n && (page.len() == n || answer.next().is_none()));
            });
            assert_eq!(digests(&all.await), digests(expected), "pages of {n}");
            for artifact_type in [TYPES[0], PLUS] {
                let filter = artifact_type.replace('/', "%2F").replace('+', "%2B");
                let first = format!("{path}?n={n}&artifactType={filter}");
                let all = pages(&client, first, |answer, page| {
                    assert_eq!(answer.header("oci-filters-applied"), "artifactType");
                    assert!(page.iter().all(|entry| entry["artifactType"] == artifact_type));
                });
                let wanted: Vec<Value> = expected
                    .iter()
                    .filter(|entry| entry["artifactType"] == artifact_type)
                    .cloned()
                    .collect();
                assert_eq!(digests(&all.await), digests(&wanted), "pages of {n}");
            }
        }
        let whole = client.get(&path).await.expect(200).lacks("link");
        assert_eq!(digests(&manifests_of(&whole)), digests(expected));
    }
}

#[tokio::test]
async fn a_list_that_no_client_would_read_whole_comes_in_pages() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let subject = Shape::default().image(&mut rng, &mut set);
    for _ in 0..5 {
        let shape = Shape::artifact(TYPES[0]).about(&mut rng, &subject);
        let mut document = shape.document(&mut rng, &mut set);
        document["annotations"]["large"] = "x".repeat(1_500_000).into();
        set.manifest(&document);
    }
    cycle::push(&client, ONE, &set).await;
    let (subject, expected) = set.referrers.iter().next().expect("a subject");
    let first = format!("/v2/{ONE}/referrers/{subject}");
    assert!(client.get(&first).await.expect(200).next().is_some());
    let all = pages(&client, first, |answer, _| {
        assert!(answer.body.len() < 4 << 20);
    })
    .await;
    assert_eq!(digests(&all), digests(expected));
}

async fn descriptors_of_referrers_say_what_they_are(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = DataSet::new(Algorithm::Sha256);
    let subject = Shape::default().image(&mut rng, &mut set);
    Shape { subject: Some(subject.clone()), ..Shape::default() }.image(&mut rng, &mut set);
    Shape::default().about(&mut rng, &subject).index(&mut rng, &mut set, &[]);
    Shape::artifact(TYPES[1]).about(&mut rng, &subject).index(&mut rng, &mut set, &[]);
    cycle::push(&client, ONE, &set).await;
    let path = format!("/v2/{ONE}/referrers/{}", set.manifests[0].digest);
    let list = manifests_of(&client.get(&path).await.expect(200));
    let of = |manifest: usize| {
        let digest = &set.manifests[manifest].digest;
        list.iter().find(|entry| entry["digest"] == **digest).expect("listed")
    };
    assert_eq!(of(1)["artifactType"], crate::shape::CONFIG, "an image has the type of its config");
    assert_eq!(of(1).get("annotations"), None);
    assert_eq!(of(2).get("artifactType"), None, "an index without a type has none");
    assert_eq!(of(2)["annotations"]["org.example.test"], "a value");
    assert_eq!(of(3)["artifactType"], TYPES[1]);
    let none = client.get(&format!("{path}?artifactType=application%2Fnone")).await.expect(200);
    assert_eq!(manifests_of(&none), Vec::<Value>::new());
}

async fn referrers_are_those_of_the_same_repository_and_never_missing(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = referred(&mut rng, Algorithm::Sha256, 2);
    cycle::push(&client, ONE, &set).await;
    let zero = format!("sha256:{}", "0".repeat(64));
    let subject = &set.manifests[0].digest;
    for path in [
        format!("/v2/{TWO}/referrers/{subject}"),
        format!("/v2/{PROJECT}/never/pushed/referrers/{subject}"),
        format!("/v2/{ONE}/referrers/{zero}"),
        format!("/v2/{ONE}/referrers/{}", set.manifests[1].digest),
    ] {
        let answer = client.get(&path).await.expect(200).lacks("link");
        assert_eq!(answer.json()["manifests"], json!([]));
    }
    for malformed in ["sha256:nonsense", "latest", "md5:00", "sha256:"] {
        let answer = client.get(&format!("/v2/{ONE}/referrers/{malformed}")).await;
        answer.refuses(400, "DIGEST_INVALID");
    }
    for n in ["-1", "x", "1.5"] {
        let answer = client.get(&format!("/v2/{ONE}/referrers/{subject}?n={n}")).await;
        answer.refuses(400, "PAGINATION_NUMBER_INVALID");
    }
}

async fn a_tag_for_clients_without_this_list_is_an_ordinary_tag(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let mut set = referred(&mut rng, Algorithm::Sha256, 2);
    let subject = set.manifests[0].digest.clone();
    let listed = set.referrers[&subject].clone();
    let index = Shape::default().index(&mut rng, &mut set, &listed);
    set.tag(&subject.replace(':', "-"), &index);
    cycle::run(&client, &format!("{PROJECT}/fallback"), &set).await;
}

#[tokio::test]
async fn lists_of_referrers_say_what_is_there() {
    let server = server().await;
    descriptors_of_referrers_say_what_they_are(&server).await;
    referrers_are_those_of_the_same_repository_and_never_missing(&server).await;
    a_tag_for_clients_without_this_list_is_an_ordinary_tag(&server).await;
}
