//! Query parameters. Unknown ones are ignored: proxies and clients add their own.

use http::request::Parts;
use roadstead_model::OciCode;

use super::failure::Failure;
use crate::list::Page;

pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(request: &Parts) -> Self {
        let query = request.uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Every value of a parameter.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// `n`: more than any page holds is as good as a page.
    pub(super) fn n(&self) -> Result<Option<usize>, Failure> {
        let Some(n) = self.get("n").filter(|n| !n.is_empty()) else {
            return Ok(None);
        };
        if n.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Some(n.parse().unwrap_or(usize::MAX)));
        }
        let message = "n must be a whole number, not negative";
        Err(Failure::bad_request(OciCode::PaginationNumberInvalid, message))
    }

    /// `n` and `last`.
    pub(super) fn page(&self) -> Result<Page, Failure> {
        Ok(Page { n: self.n()?, last: self.get("last").unwrap_or_default().to_owned() })
    }
}
