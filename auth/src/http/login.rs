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
use roadstead_storage::tables::user;

use crate::authenticate::Auth;
use crate::error::Error;
use crate::sessions::{self, CSRF_HEADER, Cookie};

/// The longest form that is read, in bytes.
const LONGEST_FORM: usize = 16 << 10;

/// The routes below `/c/`.
pub(super) fn routes(auth: Auth) -> Router {
    Router::new()
        .route("/c/login", post(log_in))
        .route("/c/log_out", get(log_out))
        .route("/c/userExists", post(user_exists))
        .with_state(auth)
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
            Error::Precondition(_) => (S::PRECONDITION_FAILED, "PRECONDITION"),
            Error::Conflict(_) => (S::CONFLICT, "CONFLICT"),
            Error::NotFound(_) => (S::NOT_FOUND, "NOT_FOUND"),
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
    let [name, password] = form(body, ["principal", "password"]).await?;
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
    remember(&origin, &cookie, &mut response);
    Ok(response)
}

/// Sends a script's caller to a page that is about logging in or out at the provider, in Harbor's
/// way.
fn elsewhere(location: &str) -> Response {
    let body = serde_json::json!({"redirect_location": location});
    (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
}

/// The values of these fields of a form; empty where there is none.
async fn form<const N: usize>(body: Body, fields: [&str; N]) -> Result<[String; N], Failure> {
    let form = Limited::new(body, LONGEST_FORM).collect().await;
    let form = form.map_err(|_| Error::Invalid("the form could not be read"))?.to_bytes();
    let mut values = [const { String::new() }; N];
    for (key, value) in form_urlencoded::parse(&form) {
        if let Some(at) = fields.iter().position(|field| *field == key) {
            values[at] = value.into_owned();
        }
    }
    Ok(values)
}

/// Whether a name or a mail address is taken: for administrators, and for whoever registers
/// themselves, as often as they may register.
async fn user_exists(
    State(auth): State<Auth>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Response, Failure> {
    refuse_cross_site(&headers)?;
    let [target, value] = form(body, ["target", "value"]).await?;
    let origin = origin(&extensions);
    let caller = auth.api_caller(&headers, origin.clone()).await?;
    if !(caller.is_sysadmin() && caller.is_person()) {
        if !auth.configuration().await?.is_on("self_registration") {
            let why = "only administrators ask this while self-registration is switched off";
            return Err(Error::Denied(why).into());
        }
        auth.throttle.admit_stranger(&origin.address)?;
    }
    let mut conn = auth.db.read().await?;
    let found = match target.as_str() {
        "username" => user::find(&mut conn, &value).await?,
        "email" => user::find_by_email(&mut conn, &value).await?,
        _ => return Err(Error::Invalid("the target must be username or email").into()),
    };
    Ok(axum::Json(found.is_some()).into_response())
}

/// Gives a browser its cookie, and the token that goes with it.
pub(super) fn remember(origin: &Origin, cookie: &Cookie, response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&cookie.to_header(origin.https)) {
        headers.append(SET_COOKIE, value);
    }
    if let Ok(value) = HeaderValue::from_str(&cookie.csrf_token()) {
        headers.insert(HeaderName::from_static(CSRF_HEADER), value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Makes a browser forget its session.
pub(super) fn forget(origin: &Origin, response: &mut Response) {
    if let Ok(value) = HeaderValue::from_str(&sessions::forget_cookie(origin.https)) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

async fn log_out(
    State(auth): State<Auth>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Failure> {
    refuse_cross_site(&headers)?;
    let origin = origin(&extensions);
    let caller = auth.leaving_caller(&headers, origin.clone()).await?;
    let mut response = match auth.log_out(&caller).await? {
        Some(location) => elsewhere(&location),
        None => StatusCode::OK.into_response(),
    };
    forget(&origin, &mut response);
    Ok(response)
}

pub(super) fn origin(extensions: &Extensions) -> Origin {
    extensions.get::<Origin>().cloned().unwrap_or_default()
}
