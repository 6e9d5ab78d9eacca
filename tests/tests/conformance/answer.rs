//! An answer of the server, read to its end.

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, with the request that it belongs to for messages.
#[derive(Debug)]
pub(crate) struct Answer {
    request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads the answer and checks what every answer below `/v2` has.
    pub(crate) async fn read(request: String, response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.expect("a whole body").to_vec();
        let answer = Self { request, status, headers, body };
        if answer.request.contains(" /v2") {
            answer.check();
        }
        answer
    }

    fn check(&self) {
        let version = self.find("docker-distribution-api-version");
        assert_eq!(version, Some("registry/2.0"), "{self:?}");
        assert_eq!(self.find("content-encoding"), None, "{self:?}");
        assert!(self.status < 500, "{self:?}");
        if let Some(location) = self.find("location") {
            assert!(location.starts_with("/v2/"), "Location is not relative: {self:?}");
        }
        let is_head = self.request.starts_with("HEAD");
        if self.status >= 400 && !is_head {
            self.codes();
        }
        if let Some(length) = self.find("content-length").filter(|_| !is_head) {
            assert!(self.status == 304 || length == self.body.len().to_string(), "{self:?}");
        }
    }

    /// Asserts the status.
    pub(crate) fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        assert_eq!(self.status, status, "{}: {:?} {body}", self.request, self.headers);
        self
    }

    /// Asserts the status and the first error code.
    pub(crate) fn refuses(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.codes()[0], code, "{answer:?}");
        answer
    }

    /// A header, if it is there.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// A header, which must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// Asserts the value of a header.
    pub(crate) fn has(self, name: &str, expected: &str) -> Self {
        assert_eq!(self.find(name), Some(expected), "{name} of {}", self.request);
        self
    }

    /// Asserts that a header is absent.
    pub(crate) fn lacks(self, name: &str) -> Self {
        assert_eq!(self.find(name), None, "{name} of {}", self.request);
        self
    }

    /// Asserts the body; a difference is not printed, because bodies are large.
    pub(crate) fn holds(self, expected: &[u8]) -> Self {
        let lengths = (self.body.len(), expected.len());
        assert!(self.body == expected, "{}: another body, lengths {lengths:?}", self.request);
        self
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The codes of an error envelope.
    pub(crate) fn codes(&self) -> Vec<String> {
        let content_type = self.header("content-type");
        assert!(content_type.starts_with("application/json"), "{self:?}");
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        assert!(!errors.is_empty(), "no errors: {self:?}");
        let code = |error: &Value| {
            let code = error["code"].as_str().expect("a code").to_owned();
            let allowed = |b: u8| b.is_ascii_uppercase() || b == b'_';
            assert!(code.bytes().all(allowed), "{self:?}");
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
            code
        };
        errors.iter().map(code).collect()
    }

    /// A list of strings below a key of the body.
    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        let list = self.json()[key].as_array().cloned();
        let list = list.unwrap_or_else(|| panic!("{key} is no list: {self:?}"));
        list.iter().map(|item| item.as_str().expect("a string").to_owned()).collect()
    }

    /// Where the next page is.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.find("link")?;
        let (target, relation) = link.split_once(">; ").expect("a target and a relation");
        assert_eq!(relation, "rel=\"next\"", "{self:?}");
        let target = target.strip_prefix('<').expect("an opening bracket");
        assert!(target.starts_with("/v2/"), "Link is not relative: {self:?}");
        Some(target.to_owned())
    }
}
