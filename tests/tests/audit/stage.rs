//! Acting under a name and looking at what that left in the log.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response};
use roadstead_tests::http::Person;
use roadstead_tests::{Server, Setup};
use serde_json::Value;

/// The document of the API that the server was built with.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// A server, and which of its routes were driven.
pub struct Stage {
    pub server: Server,
    pub admin: Person,
    next: AtomicU32,
    driven: Mutex<BTreeSet<String>>,
}

/// What a request was answered, and the events that it left.
pub struct Acted {
    pub answer: Response,
    pub events: Vec<Value>,
    request_id: String,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(Setup::new())
    }

    pub fn with(setup: Setup) -> Self {
        let server = setup.start();
        let admin = server.admin();
        Self { server, admin, next: AtomicU32::new(0), driven: Mutex::default() }
    }

    /// Sends a request under an id of its own and finds its events.
    pub async fn act(&self, request: RequestBuilder, status: u16) -> Acted {
        let request_id = format!("audit-test-{}", self.next.fetch_add(1, Ordering::SeqCst));
        let request = request.header("x-request-id", &request_id).build().unwrap();
        let route = format!("{} {}", request.method(), template(request.url().path()));
        let answer =
            reqwest::Client::builder().no_proxy().build().unwrap().execute(request).await.unwrap();
        let found = answer.status().as_u16();
        assert_eq!(found, status, "{route}: {}", answer.text().await.unwrap());
        self.driven.lock().unwrap().insert(route);
        let events = self.events(&format!("q=request_id%3D{request_id}&sort=id")).await;
        Acted { answer, events, request_id }
    }

    /// The events that a query finds, as the administrator.
    pub async fn events(&self, query: &str) -> Vec<Value> {
        let answer = self.admin.get(&format!("/api/v2.0/auditlog-exts?{query}")).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// The routes that change something and were not driven.
    pub fn left_out(&self) -> Vec<String> {
        let driven = self.driven.lock().unwrap();
        changing_routes()
            .into_iter()
            .map(|(route, _)| route)
            .filter(|r| !driven.contains(r))
            .collect()
    }

    /// Runs a statement on the server's database.
    pub async fn sql(&self, statement: &'static str) {
        sql(&self.server, statement, &[]).await;
    }
}

impl Acted {
    /// Requires that there is one event, of this type about this resource, by `actor`.
    #[track_caller]
    pub fn left(&self, actor: &str, operation: &str, kind: &str, resource: &str) -> &Value {
        self.left_one(actor, operation, kind, resource, true)
    }

    /// The same of the last event, of something that takes several steps.
    #[track_caller]
    pub fn left_at_last(mut self, actor: &str, operation: &str, kind: &str, resource: &str) {
        let last = self.events.pop().expect("an event");
        self.events = vec![last];
        self.left(actor, operation, kind, resource);
    }

    /// The same, of something that was refused.
    #[track_caller]
    pub fn left_refusal(&self, actor: &str, operation: &str, kind: &str, resource: &str) {
        self.left_one(actor, operation, kind, resource, false);
    }

    #[track_caller]
    fn left_one(
        &self,
        actor: &str,
        operation: &str,
        kind: &str,
        resource: &str,
        success: bool,
    ) -> &Value {
        let [event] = self.events.as_slice() else {
            panic!("not one event of {operation} {kind} {resource}: {:?}", self.events);
        };
        for (key, expected) in [
            ("username", actor),
            ("operation", operation),
            ("resource_type", kind),
            ("address", "127.0.0.1"),
            ("request_id", &self.request_id),
        ] {
            assert_eq!(event[key], expected, "{event}");
        }
        assert_eq!(event["resource"].as_str().unwrap_or_default(), resource, "{event}");
        assert_eq!(event["operation_result"], success, "{event}");
        event
    }

    /// Requires that nothing was written.
    #[track_caller]
    pub fn left_nothing(&self) {
        assert_eq!(self.events, Vec::<Value>::new());
    }
}

/// Every route of the API and the protocol that changes something, with what it requires. What
/// comes later changes nothing.
pub fn changing_routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let later = operation["description"] == "This comes with a later version.";
            if !later && !matches!(method.as_str(), "get" | "head") {
                let access = operation["x-roadstead-access"].as_str().unwrap().to_owned();
                routes.push((format!("{} {path}", method.to_uppercase()), access));
            }
        }
    }
    for route in [
        "POST /v2/{name}/blobs/uploads/",
        "PATCH /v2/{name}/blobs/uploads/{id}",
        "PUT /v2/{name}/blobs/uploads/{id}",
        "DELETE /v2/{name}/blobs/uploads/{id}",
        "DELETE /v2/{name}/blobs/{digest}",
        "PUT /v2/{name}/manifests/{reference}",
        "DELETE /v2/{name}/manifests/{reference}",
        "POST /c/login",
        "POST /service/token",
    ] {
        routes.push((route.to_owned(), "protocol".to_owned()));
    }
    routes
}

/// The path of the route that a path belongs to.
fn template(path: &str) -> String {
    if let Some(rest) = path.strip_prefix("/v2/") {
        for (part, name) in
            [("/blobs/uploads/", "{id}"), ("/blobs/", "{digest}"), ("/manifests/", "{reference}")]
        {
            if let Some((_, last)) = rest.split_once(part) {
                return format!("/v2/{{name}}{part}{}", if last.is_empty() { "" } else { name });
            }
        }
    }
    let fits = |route: &str| {
        let (parts, own): (Vec<&str>, Vec<&str>) =
            (route.split('/').collect(), path.split('/').collect());
        let same = |(part, own): (&&str, &&str)| part.starts_with('{') || part == own;
        parts.len() == own.len() && parts.iter().zip(&own).all(same)
    };
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let paths = document["paths"].as_object().unwrap().keys();
    // What is written out fits better than a parameter.
    let found = paths.filter(|route| fits(route)).min_by_key(|route| route.matches('{').count());
    found.map_or(path, String::as_str).to_owned()
}

/// Runs a statement on a server's database, which may be in use.
pub async fn sql(server: &Server, statement: &'static str, values: &[&str]) {
    server.database().await.execute(statement, values).await;
}

/// The number that a statement finds in a server's database.
pub async fn number(server: &Server, statement: &'static str) -> i64 {
    server.database().await.number(statement).await
}

/// Sets a key of the configuration, past the checks of the API.
pub async fn configure(server: &Server, key: &str, value: &str) {
    let statement = "INSERT INTO setting (name, value) VALUES ('config.' || $1, $2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sql(server, statement, &[key, value]).await;
}

/// Asks until the answer is yes.
pub async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ask().await {
        assert!(Instant::now() < deadline, "{what} did not happen in 30 seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
