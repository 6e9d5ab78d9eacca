//! The credentials in the head of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::{Error, Result};

/// What a client sent to prove who it is.
pub(super) enum Credentials {
    Basic { name: String, password: String },
    Bearer(String),
}

/// What the `Authorization` header carries; None without one.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Option<Credentials>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::BadCredentials);
    }
    let value = value.to_str().map_err(|_| Error::BadCredentials)?;
    let (scheme, rest) = value.split_once(' ').ok_or(Error::BadCredentials)?;
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASE64.decode(rest.trim()).map_err(|_| Error::BadCredentials)?;
        let text = String::from_utf8(decoded).map_err(|_| Error::BadCredentials)?;
        let (name, password) = text.split_once(':').ok_or(Error::BadCredentials)?;
        let (name, password) = (name.to_owned(), password.to_owned());
        Ok(Some(Credentials::Basic { name, password }))
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(Credentials::Bearer(rest.trim().to_owned())))
    } else {
        Err(Error::BadCredentials)
    }
}
