//! A client for tests that talk HTTP themselves.

use std::net::IpAddr;

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::content::{self, sha256};
use crate::server::{ADMIN_PASSWORD, Server};

/// Somebody who talks to a server, with or without credentials.
#[derive(Clone, Debug)]
pub struct Person {
    client: Client,
    base: String,
    credentials: Credentials,
}

#[derive(Clone, Debug)]
enum Credentials {
    None,
    Basic(String, String),
    Bearer(String),
    Cookie(String),
}

impl Server {
    /// Talks to the server as its administrator.
    pub fn admin(&self) -> Person {
        self.person("admin", ADMIN_PASSWORD)
    }

    /// Talks to the server with these credentials.
    pub fn person(&self, name: &str, password: &str) -> Person {
        let credentials = Credentials::Basic(name.to_owned(), password.to_owned());
        Person { credentials, ..self.nobody() }
    }

    /// Talks to the server with a registry token.
    pub fn bearer(&self, token: &str) -> Person {
        Person { credentials: Credentials::Bearer(token.to_owned()), ..self.nobody() }
    }

    /// Talks to the server with the cookie of a browser, `name=value`.
    pub fn browser(&self, cookie: &str) -> Person {
        Person { credentials: Credentials::Cookie(cookie.to_owned()), ..self.nobody() }
    }

    /// Talks to the server without credentials.
    pub fn nobody(&self) -> Person {
        let client = client().build().expect("a client");
        Person { client, base: self.url(""), credentials: Credentials::None }
    }
}

/// Reading the system's certificates takes longer than most tests, and nothing here is https.
fn client() -> ClientBuilder {
    Client::builder().no_proxy().tls_certs_only([])
}

impl Person {
    /// Somebody else at the same place.
    #[must_use]
    pub fn known_as(self, name: &str, password: &str) -> Self {
        let credentials = Credentials::Basic(name.to_owned(), password.to_owned());
        Self { credentials, ..self }
    }

    /// Somebody with a registry token at the same place.
    #[must_use]
    pub fn bearing(&self, token: &str) -> Self {
        let credentials = Credentials::Bearer(token.to_owned());
        Self { client: self.client.clone(), base: self.base.clone(), credentials }
    }

    /// The same, from another address of the loopback.
    #[must_use]
    pub fn from(self, address: [u8; 4]) -> Self {
        let client = client().local_address(IpAddr::from(address)).build();
        Self { client: client.expect("a client"), ..self }
    }

    /// A request to a path, or to a `Location` that the server answered.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.into() };
        let request = self.client.request(method, url);
        match &self.credentials {
            Credentials::None => request,
            Credentials::Basic(name, password) => request.basic_auth(name, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
            Credentials::Cookie(cookie) => request.header("cookie", cookie),
        }
    }

    /// A request by the name of its method.
    pub fn send(&self, method: &str, path: &str) -> RequestBuilder {
        self.request(method.parse().expect("a method"), path)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Response {
        self.send("GET", path).send().await.expect("an answer")
    }

    /// HEAD.
    pub async fn head(&self, path: &str) -> Response {
        self.send("HEAD", path).send().await.expect("an answer")
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path).send().await.expect("an answer")
    }

    /// Makes a project.
    pub async fn create_project(&self, name: &str, public: bool) {
        let body = json!({"project_name": name, "metadata": {"public": public.to_string()}});
        let answer = self.send("POST", "/api/v2.0/projects").json(&body).send().await;
        assert_eq!(answer.expect("an answer").status(), 201, "creating project {name}");
    }

    /// Makes a user with the password `Password-1`.
    pub async fn create_user(&self, name: &str) {
        let body = json!({
            "username": name, "password": "Password-1", "realname": name,
            "email": format!("{name}@example.com"),
        });
        let answer = self.send("POST", "/api/v2.0/users").json(&body).send().await;
        assert_eq!(answer.expect("an answer").status(), 201, "creating user {name}");
    }

    /// The status of a request without a body.
    pub async fn status_of(&self, method: &str, path: &str) -> u16 {
        self.send(method, path).send().await.expect("an answer").status().as_u16()
    }

    /// The status of a request with this JSON.
    pub async fn json(&self, method: &str, path: &str, body: &Value) -> u16 {
        let answer = self.send(method, path).json(body).send().await.expect("an answer");
        answer.status().as_u16()
    }

    /// The body of a GET that must be answered 200 with JSON.
    pub async fn read_json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "GET {path}");
        answer.json().await.expect("JSON")
    }

    /// A registry token for these scopes, separated by spaces, and the whole answer with it.
    pub async fn registry_token(&self, scopes: &str) -> (String, Value) {
        let query = [("service", "harbor-registry"), ("scope", scopes)];
        let answer = self.send("GET", "/service/token").query(&query).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200, "a token for {scopes}");
        let body: Value = answer.json().await.expect("JSON");
        (body["token"].as_str().expect("a token").to_owned(), body)
    }

    /// Opens an upload session and returns its location.
    pub async fn start_upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.send("POST", &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 202, "starting an upload");
        header(&answer, "location")
    }

    /// Pushes a blob with POST and PUT and returns its digest.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let location = self.start_upload(repository).await;
        let digest = sha256(bytes);
        let url = with_query(&location, &format!("digest={digest}"));
        let answer = self.send("PUT", &url).body(bytes.to_vec()).send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "pushing a blob: {}", answer.text().await.unwrap());
        digest
    }

    /// Puts a manifest and returns the answer.
    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: impl Into<reqwest::Body>,
    ) -> Response {
        self.send("PUT", &format!("/v2/{repository}/manifests/{reference}"))
            .header("content-type", media_type)
            .body(bytes)
            .send()
            .await
            .expect("an answer")
    }

    /// Pushes an image with one layer and returns (manifest bytes, digest).
    pub async fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> (Vec<u8>, String) {
        let config = json!({"architecture": "amd64", "os": "linux", "x": sha256(layer)});
        let config = serde_json::to_vec(&config).expect("JSON");
        self.push_blob(repository, &config).await;
        self.push_blob(repository, layer).await;
        let manifest = serde_json::to_vec(&content::image(&config, &[layer])).expect("JSON");
        let answer = self.put_manifest(repository, tag, content::MANIFEST, manifest.clone()).await;
        assert_eq!(answer.status(), 201, "pushing an image: {}", answer.text().await.unwrap());
        let digest = sha256(&manifest);
        (manifest, digest)
    }
}

/// A header's value, which must be there.
pub fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers()));
    value.to_str().expect("text").to_owned()
}

/// A URL with one more query parameter.
pub fn with_query(url: &str, parameter: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameter}")
}

/// The first error code of an answer, which must be an error envelope in JSON.
pub async fn error_code(answer: Response) -> String {
    let content_type = header(&answer, "content-type");
    assert!(content_type.starts_with("application/json"), "{content_type}");
    let body: Value = answer.json().await.expect("JSON");
    assert!(body["errors"][0]["message"].is_string(), "{body}");
    body["errors"][0]["code"].as_str().expect("a code").to_owned()
}
