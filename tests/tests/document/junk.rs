//! What no client sends, at each place of a request in turn: bytes that are no UTF-8, NULs, numbers
//! that fit nowhere, filters and orders that are none. Each is refused in Harbor's form, or taken
//! for what it can be taken for; the server's debug build sees to the statuses.

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use crate::requests::filled;
use crate::routes::{Route, routes};
use crate::samples::Samples;

/// Values of parameters, escaped as they stand in a URL.
const ODD: [&str; 16] = [
    "",
    "%00",
    "%FF",
    "%ED%A0%80",
    "%C0%AE",
    "%25",
    "%2525zz",
    "..%2F..%2Fetc",
    "-1",
    "0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1e400",
    "%F0%9F%9A%A2",
    "%27%20OR%201%3D1%3B--",
];

/// Filters that are none, or nearly.
const FILTERS: [&str; 14] = [
    "name%3D%00",
    "name%3D~%25%00",
    "name%3D%5Ba~b~c%5D",
    "id%3D%5B9223372036854775808~%5D",
    "id%3D%5B~%5D",
    "creation_time%3D%5B2026-13-45T99%3A99%3A99~%5D",
    "op_time%3D%5B9999999-01-01T00%3A00%3A00~%5D",
    "name%3D%7Ba%20b",
    "name%3D((((((((((",
    "name%3D%7B%7D",
    "%3D%3D%3D",
    ",,,",
    "name%3D%25ff",
    "name%3Da%2Cname%3Db",
];

/// Orders that are none.
const ORDERS: [&str; 6] =
    ["-", "--name", "%00", "name%3B%20DROP%20TABLE%20project", "name%20desc", ",-,"];

/// Bodies that are no JSON, or none that is an object.
const BODIES: [&[u8]; 9] = [
    b"",
    b"null",
    b"[]",
    b"\"text\"",
    b"{\"name\":",
    b"{\"name\": \"\xff\xfe\"}",
    b"\xef\xbb\xbf{}",
    b"{\"name\": \"\\ud800\"}",
    b"{\"id\": 1e999, \"id\": -0}",
];

/// Headers that no client sends.
const HEADERS: [(&str, &[u8]); 9] = [
    ("authorization", b"Basic \xff\xfe"),
    ("authorization", b"Basic OjpA"),
    ("authorization", b"Bearer ...."),
    ("authorization", b"Harbor-Secret x"),
    ("cookie", b"sid=\xff\xfe; sid=; =;;"),
    ("x-request-id", b"\xc3\x28 a b c"),
    ("x-is-resource-name", b"\xff"),
    ("accept", b"\xff/\xff;q=\xff"),
    ("x-forwarded-for", b"\xff, ::::, 999.1.1.1"),
];

/// Sends, and requires an answer that is no trouble and, where it refuses, is an error.
async fn expect_answer(request: RequestBuilder, what: &str) -> u16 {
    let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").cloned();
    let text = answer.text().await.expect("text");
    assert!(status < 500, "{what}: {status} {text}");
    if status >= 400 && !what.starts_with("HEAD") {
        let kind = kind.unwrap_or_else(|| panic!("{what}: {status} without a type"));
        assert_eq!(kind, "application/json; charset=utf-8", "{what}: {status} {text}");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        let error = &body["errors"][0];
        assert!(error["code"].is_string() && error["message"].is_string(), "{what}: {text}");
    }
    status
}

/// The path with one parameter in turn that makes no sense.
fn odd_paths(route: &Route, samples: &Samples) -> Vec<String> {
    let ids = samples.ours().ids;
    let one = |parameter: &str, odd: &str| {
        let marked = Route {
            path: route.path.replace(&format!("{{{parameter}}}"), "MARK"),
            method: route.method.clone(),
            access: route.access.clone(),
            query: route.query.clone(),
        };
        filled(&marked, &ids).replace("MARK", odd)
    };
    let parameters = route.parameters();
    let paths = parameters.iter().flat_map(|name| ODD.iter().map(move |odd| one(name, odd)));
    paths.collect()
}

/// Queries that make no sense, for what takes any.
fn odd_queries(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
        let name = parameter["name"].as_str().expect("a name");
        let values: &[&str] = match name {
            "q" => &FILTERS,
            "sort" => &ORDERS,
            _ => &ODD,
        };
        all.extend(values.iter().map(|odd| format!("{name}={odd}")));
    }
    all.extend(["%00=%00".to_owned(), "page=1&page=x&%FF".to_owned()]);
    all
}

/// A good body with one field in turn that makes no sense.
fn odd_bodies(document: &Value, operation: &Value) -> Vec<Value> {
    let name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
    let Some(name) = name.and_then(|name| name.rsplit('/').next()) else {
        return Vec::new();
    };
    let schema = &document["components"]["schemas"][name];
    let good = schema["example"].as_object().cloned().unwrap_or_default();
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    let odd = [
        json!("\0"),
        json!("a\0b"),
        json!("x".repeat(70_000)),
        json!("\u{feff}\u{202e}\n\r\t"),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(0.5),
        json!([null]),
        json!([{}]),
        json!({"\0": "\0"}),
        Value::Null,
    ];
    let mut all = Vec::new();
    // What would keep the rest from being tried.
    let kept = |name: &str| ["read_only", "auth_mode", "primary_auth_mode"].contains(&name);
    for field in fields.keys().filter(|name| !kept(name)) {
        for value in &odd {
            let mut body = good.clone();
            body.insert(field.clone(), value.clone());
            all.push(Value::Object(body));
        }
    }
    all
}

fn is_about_addresses(path: &str) -> bool {
    ["/configurations", "/ldap/ping", "/oidc/ping"].iter().any(|end| path.ends_with(end))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_client_sends_is_refused_in_harbors_form() {
    let mut samples = Samples::new().await;
    let admin = samples.server.admin();
    let document = admin.read_json("/api/v2.0/openapi.json").await;
    let mut sent = 0;
    for route in routes(&samples.server).await {
        let operation = &document["paths"][&route.path][route.method.to_lowercase()];
        let path = samples.path(&route);
        let what = |odd: &str| format!("{} {odd}", route.method);
        // What deletes is asked with odd names only, and what was there is there afterwards.
        let mut paths = odd_paths(&route, &samples);
        if route.method != "DELETE" {
            let separator = if path.contains('?') { '&' } else { '?' };
            let queries = odd_queries(operation).into_iter();
            paths.extend(queries.map(|query| format!("{path}{separator}{query}")));
        }
        for odd in &paths {
            let request = admin.send(&route.method, odd);
            let request = if route.changes() { request.json(&json!({})) } else { request };
            let status = expect_answer(request, &what(odd)).await;
            sent += 1;
            if route.method == "DELETE" && status < 300 {
                samples.restore(&route).await;
            }
        }
        if route.method != "DELETE" {
            sent += send_headers(&samples.server.nobody(), &route, &path).await;
        }
        sent += send_bodies(&admin, &document, operation, &route, &path).await;
    }
    println!("{sent} odd requests");
    assert!(sent > 5000, "only {sent} requests");
    let log = samples.server.log();
    let trouble = log.lines().find(|line| line.contains("\"ERROR\"") || line.contains("panicked"));
    assert!(trouble.is_none(), "{trouble:?}");
}

async fn send_headers(nobody: &Person, route: &Route, path: &str) -> usize {
    for (name, value) in HEADERS {
        let value = HeaderValue::from_bytes(value).expect("a header");
        let request = nobody.send(&route.method, path).header(name, value);
        expect_answer(request, &format!("{} {path} with {name}", route.method)).await;
    }
    HEADERS.len()
}

async fn send_bodies(
    admin: &Person,
    document: &Value,
    operation: &Value,
    route: &Route,
    path: &str,
) -> usize {
    if operation["requestBody"].is_null() {
        return 0;
    }
    let mut bodies: Vec<Vec<u8>> = BODIES.iter().map(|body| body.to_vec()).collect();
    bodies.push("[".repeat(100_000).into_bytes());
    bodies.push(format!("{{\"name\": {}1{}}}", "{\"a\":".repeat(5000), "}".repeat(5000)).into());
    if !is_about_addresses(&route.path) {
        let odd = odd_bodies(document, operation).into_iter();
        bodies.extend(odd.map(|body| body.to_string().into_bytes()));
    }
    let sent = bodies.len();
    for body in bodies {
        let start = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let request = admin.send(&route.method, path);
        let request = request.header("content-type", "application/json").body(body);
        expect_answer(request, &format!("{} {path} {start}", route.method)).await;
    }
    sent
}
