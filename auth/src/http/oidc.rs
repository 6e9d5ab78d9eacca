//! Logins at an OpenID provider, at the paths that Harbor has them.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use roadstead_model::Origin;
use serde::Deserialize;

use super::login::{Failure, forget, origin, refuse_cross_site, remember};
use crate::authenticate::Auth;
use crate::error::Error;
use crate::oidc_login::{Arrival, PENDING};
use crate::sessions::{cookie_name, cookie_value, set_cookie};

/// The cookie of a browser that is at the provider.
const LOGIN_COOKIE: &str = "oidc-login";
/// The cookie of somebody who is choosing a name.
const NEWCOMER_COOKIE: &str = "oidc-onboard";
/// The page on which names are chosen.
const ONBOARD_PAGE: &str = "/oidc-onboard";
/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 16 << 10;

/// The routes below `/c/oidc/`.
pub(super) fn routes(auth: Auth) -> Router {
    Router::new()
        .route("/c/oidc/login", get(begin))
        .route("/c/oidc/callback", get(finish))
        .route("/c/oidc/onboard", post(onboard))
        .route("/c/oidc/logout", get(log_out))
        .with_state(auth)
}

async fn begin(
    State(auth): State<Auth>,
    RawQuery(query): RawQuery,
    extensions: Extensions,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "redirect_url");
    let redirect = asked.map_or_else(|| "/".into(), |(_, value)| value);
    let redirect = if redirect.is_empty() { "/" } else { &*redirect };
    let (location, cookie) = auth.begin_oidc_login(redirect).await?;
    let mut response = go_to(&location)?;
    give_cookie(&origin(&extensions), &mut response, LOGIN_COOKIE, &cookie);
    Ok(response)
}

/// The provider sends the browser here, so that this request comes from another site.
async fn finish(
    State(auth): State<Auth>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    match arrive(&auth, &query.unwrap_or_default(), &headers, &extensions).await {
        Ok(mut response) => {
            take_cookie(&origin(&extensions), &mut response, LOGIN_COOKIE);
            response
        }
        // The provider was not asked, or could not answer: the same request may be tried again.
        Err(failure @ Failure(Error::Directory(_) | Error::Storage(_))) => failure.into_response(),
        Err(failure) => {
            let mut response = failure.into_response();
            take_cookie(&origin(&extensions), &mut response, LOGIN_COOKIE);
            response
        }
    }
}

async fn arrive(
    auth: &Auth,
    query: &str,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Response, Failure> {
    let origin = origin(extensions);
    let cookie = cookie_value(headers, &cookie_name(LOGIN_COOKIE, origin.https));
    match auth.finish_oidc_login(query, cookie, &origin).await? {
        Arrival::Known { principal, id_token, redirect } => {
            let before = auth.leaving_caller(headers, origin.clone()).await?;
            auth.end_session(&before).await?;
            let begun = auth.begin_session(&principal, headers, &origin, Some(&id_token)).await?;
            let mut response = go_to(&redirect)?;
            remember(&origin, &begun, &mut response);
            Ok(response)
        }
        Arrival::New { cookie, suggested, redirect } => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("username", &suggested)
                .append_pair("redirect_url", &redirect)
                .finish();
            let mut response = go_to(&format!("{ONBOARD_PAGE}?{query}"))?;
            give_cookie(&origin, &mut response, NEWCOMER_COOKIE, &cookie);
            Ok(response)
        }
    }
}

#[derive(Deserialize)]
struct Onboard {
    username: String,
}

async fn onboard(
    State(auth): State<Auth>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Response, Failure> {
    refuse_cross_site(&headers)?;
    let body = Limited::new(body, LONGEST_BODY).collect().await;
    let body = body.map_err(|_| Error::Invalid("the body could not be read"))?.to_bytes();
    let body: Onboard = serde_json::from_slice(&body)
        .map_err(|_| Error::Invalid("the body must be JSON with a username"))?;
    let origin = origin(&extensions);
    let cookie = cookie_value(&headers, &cookie_name(NEWCOMER_COOKIE, origin.https));
    let (principal, id_token) = auth.choose_name(cookie, &body.username, &origin).await?;
    let before = auth.leaving_caller(&headers, origin.clone()).await?;
    auth.end_session(&before).await?;
    let begun = auth.begin_session(&principal, &headers, &origin, Some(&id_token)).await?;
    let mut response = StatusCode::OK.into_response();
    take_cookie(&origin, &mut response, NEWCOMER_COOKIE);
    remember(&origin, &begun, &mut response);
    Ok(response)
}

async fn log_out(
    State(auth): State<Auth>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Failure> {
    refuse_cross_site(&headers)?;
    let origin = origin(&extensions);
    let caller = auth.leaving_caller(&headers, origin.clone()).await?;
    let location = auth.log_out(&caller).await?;
    let mut response = go_to(location.as_deref().unwrap_or("/"))?;
    forget(&origin, &mut response);
    Ok(response)
}

/// Sends a browser on. The address that it comes from has a code in it, which is told nobody.
fn go_to(location: &str) -> Result<Response, Failure> {
    let location = HeaderValue::from_str(location);
    let location = location.map_err(|_| Error::Invalid("the address cannot be redirected to"))?;
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn give_cookie(origin: &Origin, response: &mut Response, name: &str, value: &str) {
    let name = cookie_name(name, origin.https);
    append_cookie(response, &set_cookie(&name, value, Some(PENDING.as_secs()), origin.https));
}

fn take_cookie(origin: &Origin, response: &mut Response, name: &str) {
    let name = cookie_name(name, origin.https);
    append_cookie(response, &set_cookie(&name, "", Some(0), origin.https));
}

fn append_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
