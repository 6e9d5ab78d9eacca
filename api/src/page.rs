//! Pages of lists, in Harbor's way: `page`, `page_size`, `X-Total-Count` and `Link`.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header::LINK;
use http::{HeaderName, HeaderValue};
use roadstead_storage::tables::paged::Slice;
use serde::Serialize;

use crate::failure::Failure;

const LARGEST_PAGE: i64 = 100;
const DEFAULT_PAGE: i64 = 10;
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// The query parameters of a list.
pub(crate) struct ListQuery {
    parameters: Vec<(String, String)>,
    page: i64,
    /// 0 for everything.
    size: i64,
}

impl ListQuery {
    pub(crate) fn parse(query: &str) -> Result<Self, Failure> {
        let parameters: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let number = |key: &str, default: i64| match value(&parameters, key) {
            None | Some("") => Ok(default),
            Some(text) => text
                .parse::<i64>()
                .map_err(|_| Failure::unprocessable(format!("{key} must be a whole number"))),
        };
        let (page, size) = (number("page", 1)?, number("page_size", DEFAULT_PAGE)?);
        if size > LARGEST_PAGE {
            return Err(Failure::unprocessable("page_size must be at most 100"));
        }
        Ok(Self { parameters, page: page.max(1), size: size.max(0) })
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        value(&self.parameters, key)
    }

    pub(crate) fn limit(&self) -> i64 {
        if self.size == 0 { i64::MAX } else { self.size }
    }

    pub(crate) fn offset(&self) -> i64 {
        if self.size == 0 { 0 } else { (self.page - 1).saturating_mul(self.size) }
    }

    /// Both.
    pub(crate) fn slice(&self) -> Slice {
        Slice { limit: self.limit(), offset: self.offset() }
    }

    /// A page of a list that has `total` entries.
    pub(crate) fn answer<T: Serialize>(&self, path: &str, total: i64, entries: &[T]) -> Response {
        let mut response = Json(entries).into_response();
        response.headers_mut().insert(TOTAL_COUNT, total.into());
        let link = self.neighbours(path, total);
        if let Ok(link) = HeaderValue::from_str(&link)
            && !link.is_empty()
        {
            response.headers_mut().insert(LINK, link);
        }
        response
    }

    fn neighbours(&self, path: &str, total: i64) -> String {
        if self.size == 0 {
            return String::new();
        }
        let mut links = Vec::new();
        if self.page > 1 && self.offset() - self.size < total {
            links.push(self.link(path, self.page - 1, "prev"));
        }
        if self.offset().saturating_add(self.size) < total {
            links.push(self.link(path, self.page + 1, "next"));
        }
        links.join(" , ")
    }

    fn link(&self, path: &str, page: i64, relation: &str) -> String {
        let others = self.parameters.iter().filter(|(key, _)| key != "page" && key != "page_size");
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in others {
            query.append_pair(key, value);
        }
        let page = page.to_string();
        query.append_pair("page", &page).append_pair("page_size", &self.size.to_string());
        format!("<{path}?{}>; rel=\"{relation}\"", query.finish())
    }
}

fn value<'a>(parameters: &'a [(String, String)], key: &str) -> Option<&'a str> {
    parameters.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_neighbour_pages_and_keep_the_filter() {
        let query = ListQuery::parse("page=2&page_size=10&name=a%26b").unwrap();
        assert_eq!((query.limit(), query.offset()), (10, 10));
        assert_eq!(
            query.neighbours("/p", 25),
            "</p?name=a%26b&page=1&page_size=10>; rel=\"prev\" , \
             </p?name=a%26b&page=3&page_size=10>; rel=\"next\""
        );
        assert_eq!(ListQuery::parse("").unwrap().neighbours("/p", 10), "");
        assert_eq!(ListQuery::parse("page_size=0").unwrap().neighbours("/p", 1000), "");
    }

    #[test]
    fn sizes_that_harbor_refuses_are_refused() {
        for query in ["page_size=101", "page=x", "page_size=1.5"] {
            assert!(ListQuery::parse(query).is_err(), "{query}");
        }
        assert_eq!(ListQuery::parse("page=-3").unwrap().offset(), 0);
        assert!(ListQuery::parse("page=9223372036854775807").unwrap().offset() > 0);
    }
}
