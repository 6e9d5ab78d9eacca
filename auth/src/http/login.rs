//! Logins of browsers, at the paths that Harbor has them.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use roadstead_model::{ErrorBody, Origin};

use crate::authenticate::Auth;
use crate::error::Error;
use crate::sessions::{self, CSRF_HEADER, Cookie};

/// The longest form that is read, in bytes.
const LONGEST_FORM: usize = 16 << 10;

/// The routes below `/c/`.
pub(super) fn routes(auth: Auth) -> Router {
    Router::new().route("/c/login", post(log_in)).route("/c/log_out", get(log_out)).with_state(auth)
}

/// An answer that refuses, in Harbor's form.
pub(super) struct Failure(pub(super) Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<roadstead_storage::Error> for Failure {
    fn from(error: roadstead_storage::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        use StatusCode as S;
        let (status, code) = match &self.0 {
            Error::BadCredentials | Error::InvalidToken | Error::LoginEnded => {
                (S::UNAUTHORIZED, "UNAUTHORIZED")
            }
            Error::TooManyLogins | Error::TooManyAttempts(_) => {
                (S::TOO_MANY_REQUESTS, "TOO_MANY_REQUEST")
            }
            Error::Invalid(_) | Error::Refused(_) => (S::BAD_REQUEST, "BAD_REQUEST"),
            Error::Denied(_) => (S::FORBIDDEN, "FORBIDDEN"),
            Error::Conflict(_) => (S::CONFLICT, "CONFLICT"),
            Error::NotFound(_) => (S::NOT_FOUND, "NOT_FOUND"),
            Error::Precondition(_) => (S::PRECONDITION_FAILED, "PRECONDITION"),
            _ => (S::SERVICE_UNAVAILABLE, "UNKNOWN"),
        };
        let message = if status == S::SERVICE_UNAVAILABLE {
            tracing::error!(error = %self.0, "a login failed");
            "the service is not available at the moment; try again".to_owned()
        } else {
            self.0.to_string()
        };
        let content_type = [(CONTENT_TYPE, "application/json; charset=utf-8")];
        let body = ErrorBody::one(code, message).to_json();
        let mut response = (status, content_type, body).into_response();
        let wait = match self.0 {
            Error::TooManyAttempts(seconds) => Some(seconds),
            _ if status == S::SERVICE_UNAVAILABLE || status == S::TOO_MANY_REQUESTS => Some(5),
            _ => None,
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Requests that another site made a browser send are refused: they would log a victim in as
/// somebody else, or out.
pub(super) fn refuse_cross_site(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Error::Denied("this request comes from another site").into());
    }
    Ok(())
}

async fn log_in(
    State(auth): State<Auth>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Response, Failure> {
    refuse_cross_site(&headers)?;
    let form = Limited::new(body, LONGEST_FORM).collect().await;
    let form = form.map_err(|_| Error::Invalid("the form could not be read"))?.to_bytes();
    let (mut name, mut password) = (String::new(), String::new());
    for (key, value) in form_urlencoded::parse(&form) {
        match key.as_ref() {
            "principal" => name = value.into_owned(),
            "password" => password = value.into_owned(),
            _ => {}
        }
    }
    let origin = origin(&extensions);
    let configuration = auth.configuration().await?;
    if let Some(location) = auth.oidc_login_location(&configuration, &name).await? {
        return Ok(elsewhere(&location));
    }
    let principal = auth.person(&configuration, &name, &password, &origin, true).await?;
    let before = auth.leaving_caller(&headers, origin.clone()).await?;
    auth.end_session(&before).await?;
    let cookie = auth.begin_session(&principal, &headers, &origin, None).await?;
    let mut response = StatusCode::OK.into_response();
    remember(&auth, &cookie, &mut response);
    Ok(response)
}

/// Sends a script's caller to a page that is about logging in or out at the provider, in Harbor's
/// way.
fn elsewhere(location: &str) -> Response {
    let body = serde_json::json!({"redirect_location": location});
    (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
}

/// Gives a browser its cookie, and the token that goes with it.
pub(super) fn remember(auth: &Auth, cookie: &Cookie, response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&cookie.to_header(auth.https())) {
        headers.append(SET_COOKIE, value);
    }
    if let Ok(value) = HeaderValue::from_str(&cookie.csrf_token()) {
        headers.insert(HeaderName::from_static(CSRF_HEADER), value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Makes a browser forget its session.
pub(super) fn forget(auth: &Auth, response: &mut Response) {
    if let Ok(value) = HeaderValue::from_str(&sessions::forget_cookie(auth.https())) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

async fn log_out(
    State(auth): State<Auth>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Failure> {
    refuse_cross_site(&headers)?;
    let caller = auth.leaving_caller(&headers, origin(&extensions)).await?;
    let mut response = match auth.log_out(&caller).await? {
        Some(location) => elsewhere(&location),
        None => StatusCode::OK.into_response(),
    };
    forget(&auth, &mut response);
    Ok(response)
}

pub(super) fn origin(extensions: &Extensions) -> Origin {
    extensions.get::<Origin>().cloned().unwrap_or_default()
}
