//! What a browser does: it keeps cookies, and goes where it is sent one step at a time.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::site::Site;

const CSRF: &str = "x-harbor-csrf-token";

pub struct Browser {
    client: Client,
    base: String,
    pub cookies: BTreeMap<String, String>,
    csrf: Option<String>,
}

impl Browser {
    pub fn new(site: &Site) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, base: site.server.url(""), cookies: BTreeMap::new(), csrf: None }
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Response {
        let url = path.strip_prefix(&self.base).unwrap_or(path);
        assert!(url.starts_with('/'), "{url} is not this server");
        let mut request = self.client.request(method, format!("{}{url}", self.base));
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(COOKIE, cookies.join("; "));
        if let Some(token) = &self.csrf {
            request = request.header(CSRF, token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        self.keep(answer.headers());
        answer
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(token) = headers.get(CSRF) {
            self.csrf = Some(token.to_str().unwrap().to_owned());
        }
    }

    pub fn forget_csrf(&mut self) {
        self.csrf = None;
    }

    pub async fn get(&mut self, path: &str) -> Response {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Response {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Goes to the provider, logs in there, and returns the address of the callback.
    pub async fn go_to_provider(&mut self, site: &Site, user: &str, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
        let there = location(&answer);
        assert!(there.starts_with(site.provider.issuer()), "{there}");
        site.provider.log_in(&there, user).await.to_string()
    }

    /// The whole way; returns the answer of the callback.
    pub async fn arrive(&mut self, site: &Site, user: &str) -> Response {
        let callback = self.go_to_provider(site, user, "/c/oidc/login").await;
        self.get(&callback).await
    }

    /// The whole way, which must end with a session.
    pub async fn log_in(&mut self, site: &Site, user: &str) {
        let answer = self.arrive(site, user).await;
        let (status, to) = (answer.status(), answer.headers().get("location").cloned());
        assert_eq!(status, 302, "{}", answer.text().await.unwrap());
        assert_eq!(to.unwrap(), "/");
        assert!(self.cookies.contains_key("sid"));
    }

    /// Who the session's person is; None without a session.
    pub async fn current(&mut self) -> Option<Value> {
        let answer = self.get("/api/v2.0/users/current").await;
        match answer.status().as_u16() {
            200 => Some(answer.json().await.unwrap()),
            401 => None,
            status => panic!("{status}: {}", answer.text().await.unwrap()),
        }
    }
}

pub fn location(answer: &Response) -> String {
    roadstead_tests::http::header(answer, "location")
}

pub async fn message(answer: Response) -> String {
    let body: Value = answer.json().await.unwrap();
    body["errors"][0]["message"].as_str().unwrap().to_owned()
}
