//! Lists of tags.

use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::client::{Client, ONE, server, with_tokens};
use crate::cycle::{self, put};
use crate::data::DataSet;
use crate::shape::{Shape, tagged_image};

/// Sets many tags, fifty in a request.
async fn set_tags(client: &Client, set: &DataSet, tags: &[String]) {
    for some in tags.chunks(50) {
        let query: Vec<String> = some.iter().map(|tag| format!("tag={tag}")).collect();
        let target = format!("{}?{}", set.manifests[0].path(ONE), query.join("&"));
        client.send(put(target, &set.manifests[0])).await.expect(201);
    }
}

async fn list(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/v2/{ONE}/tags/list{query}")).await.expect(200);
    assert_eq!(answer.json()["name"], ONE);
    answer.list("tags")
}

/// Follows pages from the first to the last.
async fn pages(client: &Client, n: usize) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some(format!("/v2/{ONE}/tags/list?n={n}")));
    while let Some(page) = next {
        let answer = client.get(&page).await.expect(200);
        let tags = answer.list("tags");
        next = answer.next();
        assert!(tags.len() == n || next.is_none(), "a short page of {}", tags.len());
        all.extend(tags);
    }
    all
}

#[tokio::test]
async fn three_thousand_tags_come_at_once_or_in_pages() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    let set = tagged_image(&mut rng, &Shape::default(), "v0000");
    cycle::push(&client, ONE, &set).await;
    let tags: Vec<String> = (0..3000).map(|n| format!("v{n:04}")).collect();
    set_tags(&client, &set, &tags).await;
    let answer = client.get(&format!("/v2/{ONE}/tags/list")).await.expect(200).lacks("link");
    assert_eq!(answer.list("tags"), tags);
    for n in [1000, 999, 2999, 3000, 3001, 500] {
        assert_eq!(pages(&client, n).await, tags, "pages of {n}");
    }
    let first = client.get(&format!("/v2/{ONE}/tags/list?n=50")).await.expect(200);
    assert_eq!(first.next(), Some(format!("/v2/{ONE}/tags/list?last=v0049&n=50")));
    for huge in ["10000", "9999999999", "99999999999999999999999999"] {
        let answer = client.get(&format!("/v2/{ONE}/tags/list?n={huge}")).await.expect(200);
        assert_eq!(answer.lacks("link").list("tags"), tags);
    }
    assert_eq!(list(&client, "?last=v2997").await, tags[2998..]);
}

async fn tags_are_in_byte_order_and_follow_any_last(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_image(&mut rng, &Shape::default(), "latest");
    cycle::push(&client, ONE, &set).await;
    let mut tags: Vec<String> = [
        "latest", "0", "1.10", "1.2", "1.2-rc", "A", "B", "_x", "a", "a.b", "a-b", "a_b", "aB", "z",
    ]
    .map(str::to_owned)
    .to_vec();
    set_tags(&client, &set, &tags).await;
    tags.sort_unstable();
    assert_eq!(list(&client, "").await, tags);
    assert_eq!(pages(&client, 3).await, tags);
    for last in tags
        .iter()
        .map(String::as_str)
        .chain(["", "1.1", "Z", "aa", "zz", "~", "%20", "%00", "%C3%A9"])
    {
        let decoded = match last {
            "%20" => " ",
            "%00" => "\0",
            "%C3%A9" => "\u{e9}",
            other => other,
        };
        let rest: Vec<String> = tags.iter().filter(|tag| tag.as_str() > decoded).cloned().collect();
        assert_eq!(list(&client, &format!("?last={last}")).await, rest, "after {last:?}");
        assert_eq!(list(&client, &format!("?n=2&last={last}")).await, rest[..rest.len().min(2)]);
    }
}

async fn a_page_of_nothing_is_the_end_and_nonsense_is_refused(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let set = tagged_image(&mut rng, &Shape::default(), "tag");
    cycle::push(&client, ONE, &set).await;
    let none = client.get(&format!("/v2/{ONE}/tags/list?n=0")).await.expect(200).lacks("link");
    assert_eq!(none.json()["tags"], serde_json::json!([]));
    for n in ["-1", "x", "1.5", "1e3", "%2B1", "0x10", "%20"] {
        let answer = client.get(&format!("/v2/{ONE}/tags/list?n={n}")).await;
        answer.refuses(400, "PAGINATION_NUMBER_INVALID");
    }
    client.get(&format!("/v2/{ONE}/tags/list?n=&last=")).await.expect(200);
    client.delete(&format!("/v2/{ONE}/manifests/tag")).await.expect(202);
    let empty = client.get(&format!("/v2/{ONE}/tags/list")).await.expect(200).lacks("link");
    assert_eq!(empty.json()["tags"], serde_json::json!([]));
    let head = client.head(&format!("/v2/{ONE}/tags/list")).await.expect(200);
    head.has("content-length", &empty.body.len().to_string());
}

#[tokio::test]
async fn pages_of_tags_are_in_order_and_end() {
    let server = server().await;
    a_page_of_nothing_is_the_end_and_nonsense_is_refused(&server).await;
    tags_are_in_byte_order_and_follow_any_last(&server).await;
}
