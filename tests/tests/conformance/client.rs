//! A client that follows challenges as the conformance suite does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use reqwest::Method;
use roadstead_tests::{Server, Setup};

use crate::answer::Answer;

/// The project that everything is pushed to.
pub(crate) const PROJECT: &str = "conformance";
/// The repository that most requests go to.
pub(crate) const ONE: &str = "conformance/one";
/// Where blobs are mounted from.
pub(crate) const TWO: &str = "conformance/two";

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// Not at all.
    Nobody,
    /// With name and password on every request.
    Basic(String, String),
    /// With tokens that it gets for name and password.
    Token(String, String),
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: Payload,
}

#[derive(Clone, Debug)]
enum Payload {
    None,
    /// With `Content-Length`.
    Sized(Bytes),
    /// With `Transfer-Encoding: chunked`.
    Streamed(Bytes),
}

impl Call {
    /// A request without a body.
    pub(crate) fn new(method: &str, target: impl Into<String>) -> Self {
        let method = method.parse().expect("a method");
        Self { method, target: target.into(), headers: Vec::new(), body: Payload::None }
    }

    /// Adds a header line.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a body of known length.
    pub(crate) fn sized(mut self, bytes: &[u8]) -> Self {
        self.body = Payload::Sized(Bytes::copy_from_slice(bytes));
        self
    }

    /// Adds a body of unknown length.
    pub(crate) fn streamed(mut self, bytes: &[u8]) -> Self {
        self.body = Payload::Streamed(Bytes::copy_from_slice(bytes));
        self
    }

    /// Which of a client's tokens is for this request: one per repository and kind of action.
    fn token_key(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let ends = ["/blobs/", "/manifests/", "/tags/", "/referrers/"];
        let end = ends.iter().filter_map(|end| path.rfind(end)).min().unwrap_or(path.len());
        let kind = match self.method.as_str() {
            "GET" | "HEAD" => "pull",
            "POST" | "PATCH" | "PUT" => "push",
            other => other,
        };
        format!("{} {kind}", &path[..end])
    }
}

/// Somebody who talks to a server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    login: Login,
    tokens: Arc<Mutex<HashMap<String, String>>>,
    challenges: Arc<Mutex<Vec<String>>>,
}

impl Client {
    /// A client of a server, with no tokens yet.
    pub(crate) fn new(server: &Server, login: Login) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (tokens, challenges) = Default::default();
        Self { http, base: server.url(""), login, tokens, challenges }
    }

    /// The challenges that were followed so far.
    pub(crate) fn challenges(&self) -> Vec<String> {
        self.challenges.lock().expect("no panic").clone()
    }

    /// Sends a request; a refusal with a challenge is followed once.
    pub(crate) async fn send(&self, call: Call) -> Answer {
        let key = call.token_key();
        let token = self.tokens.lock().expect("no panic").get(&key).cloned();
        let answer = self.once(&call, token.as_deref()).await;
        if answer.status != 401 || !matches!(self.login, Login::Token(..)) {
            return answer;
        }
        let challenge = answer.header("www-authenticate").to_owned();
        let token = self.token(&challenge).await;
        self.challenges.lock().expect("no panic").push(challenge);
        self.tokens.lock().expect("no panic").insert(key, token.clone());
        self.once(&call, Some(&token)).await
    }

    async fn once(&self, call: &Call, token: Option<&str>) -> Answer {
        let url = format!("{}{}", self.base, call.target);
        let mut request = self.http.request(call.method.clone(), url);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request = match (&self.login, token) {
            (Login::Basic(name, password), _) => request.basic_auth(name, Some(password)),
            (_, Some(token)) => request.bearer_auth(token),
            _ => request,
        };
        request = match &call.body {
            Payload::None => request,
            Payload::Sized(bytes) => request.body(bytes.clone()),
            Payload::Streamed(bytes) => {
                let piece = Ok::<_, std::io::Error>(bytes.clone());
                request.body(reqwest::Body::wrap_stream(futures_util::stream::iter([piece])))
            }
        };
        let name = format!("{} {}", call.method, call.target);
        let response = request.send().await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        Answer::read(name, response).await
    }

    /// Gets the token that a challenge asks for, with Basic and one scope parameter.
    async fn token(&self, challenge: &str) -> String {
        let Login::Token(name, password) = &self.login else { panic!("no use for a token") };
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        let realm = parameter(challenge, "realm").expect("a realm");
        assert!(realm.starts_with(&self.base), "the realm is elsewhere: {challenge}");
        let service = parameter(challenge, "service").expect("a service");
        let mut query = vec![("service", service)];
        query.extend(parameter(challenge, "scope").map(|scope| ("scope", scope)));
        let request = self.http.get(realm).query(&query).basic_auth(name, Some(password));
        let response = request.send().await.expect("a token answer");
        let answer = Answer::read(format!("GET token {query:?}"), response).await.expect(200);
        let body = answer.json();
        assert_eq!(body["token"], body["access_token"], "{body}");
        body["token"].as_str().expect("a token").to_owned()
    }

    /// GET.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Call::new("GET", target)).await
    }

    /// HEAD.
    pub(crate) async fn head(&self, target: &str) -> Answer {
        self.send(Call::new("HEAD", target)).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.send(Call::new("DELETE", target)).await
    }
}

/// A quoted parameter of a challenge.
pub(crate) fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// A server that takes sparse manifests, with a project of an ordinary user.
pub(crate) async fn server() -> Server {
    let setup =
        Setup::new().env("ROADSTEAD_SPARSE_INDEXES", "true").env("ROADSTEAD_SPARSE_IMAGES", "true");
    with_project(setup.start()).await
}

/// Makes the user and the project that the tests push with.
pub(crate) async fn with_project(server: Server) -> Server {
    server.admin().create_user("pusher").await;
    server.person("pusher", "Password-1").create_project(PROJECT, false).await;
    server
}

/// The user with tokens.
pub(crate) fn with_tokens(server: &Server) -> Client {
    Client::new(server, Login::Token("pusher".to_owned(), "Password-1".to_owned()))
}

/// The user with Basic.
pub(crate) fn with_basic(server: &Server) -> Client {
    Client::new(server, Login::Basic("pusher".to_owned(), "Password-1".to_owned()))
}
