//! What an administrator is answered by each operation, when all is well: a change of the wire
//! format shows as a changed line.

use std::collections::HashMap;
use std::fmt::Write as _;

use reqwest::Response;
use roadstead_tests::http::Person;
use serde_json::Value;

use crate::good::{furnish, good_body, good_path};
use crate::routes::{Route, routes};
use crate::samples::Samples;
use crate::shape::Shape;

/// A paragraph per operation. `ROADSTEAD_UPDATE=1` writes it anew.
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/access_walk/shapes.snapshot");

/// The answer's head: its status, its headers, and of an error its code.
async fn head(answer: Response) -> (String, Value, bool) {
    let mut text = format!("    {}", answer.status().as_u16());
    for name in ["content-type", "location", "x-total-count", "content-disposition"] {
        if let Some(value) = answer.headers().get(name) {
            let value = value.to_str().expect("text");
            let value: String = match name {
                "x-total-count" => String::new(),
                // Ids are what they happen to be.
                "location" => {
                    let parts = value.split('/');
                    let words = parts.map(|part| {
                        if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
                            "{id}"
                        } else {
                            part
                        }
                    });
                    format!(" {}", words.collect::<Vec<_>>().join("/"))
                }
                _ => format!(" {value}"),
            };
            write!(text, "; {name}{value}").expect("a line");
        }
    }
    let is_json = answer
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/json")));
    let failed = answer.status().as_u16() >= 400;
    let bytes = answer.bytes().await.expect("a body");
    let body = if is_json { serde_json::from_slice(&bytes).expect("JSON") } else { Value::Null };
    if failed && let Some(code) = body["errors"][0]["code"].as_str() {
        write!(text, "; {code}").expect("a line");
    }
    (text + "\n", body, failed || !is_json)
}

async fn paragraph(admin: &Person, samples: &Samples, route: &Route, document: &Value) -> String {
    let operation = &document["paths"][&route.path][route.method.to_lowercase()];
    let id = operation["operationId"].as_str().expect("an id");
    let path = good_path(samples, route, id);
    let mut request = admin.send(&route.method, &path);
    if route.changes() && route.method != "DELETE" {
        let kind = "application/vnd.security.vulnerability.report; version=1.1";
        request = request.header("x-scan-data-type", kind);
        request = request.json(&good_body(samples, route, operation, document).await);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_str().to_owned();
    assert!(!status.starts_with('5'), "{id}: {status}");
    let (head, body, is_told) = head(answer).await;
    let mut text = format!("{id} {} {}\n{head}", route.method, route.path);
    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
    if !is_told {
        assert!(schema.is_object(), "{id} answers JSON that the document does not have");
        text += &Shape::of(document, id, schema, &body).lines();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_an_administrator_in_the_shape_that_is_written_down() {
    let mut samples = Samples::new().await;
    furnish(&samples).await;
    let admin = samples.server.admin();
    let document = admin.read_json("/api/v2.0/openapi.json").await;
    let all = routes(&samples.server).await;
    let mut paragraphs = HashMap::new();
    // What is deleted is looked at before.
    let (last, first): (Vec<&Route>, Vec<&Route>) =
        all.iter().partition(|route| route.method == "DELETE");
    for route in first.into_iter().chain(last) {
        let text = paragraph(&admin, &samples, route, &document).await;
        if route.method == "DELETE" && text.contains("\n    200") {
            samples.restore(route).await;
        }
        paragraphs.insert((&route.path, &route.method), text);
    }
    let text: Vec<String> =
        all.iter().map(|route| paragraphs[&(&route.path, &route.method)].clone()).collect();
    let text = text.join("\n");
    if std::env::var_os("ROADSTEAD_UPDATE").is_some() {
        std::fs::write(SNAPSHOT, &text).expect("a file");
    }
    let expected = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let of = |text: &str| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>();
    let (now, was) = (of(&text), of(&expected));
    let lacks = |all: &[String], one: &String| !all.contains(one);
    let changed: Vec<String> = now
        .iter()
        .filter(|one| lacks(&was, one))
        .map(|one| format!("now {one}"))
        .chain(was.iter().filter(|one| lacks(&now, one)).map(|one| format!("was {one}")))
        .collect();
    assert!(changed.is_empty(), "answers have another shape:\n{}", changed.join("\n"));
}
