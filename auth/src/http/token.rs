//! `/service/token` on the wire: GET as the registry token specification has it, POST as its
//! OAuth2 companion has it.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use roadstead_model::{ErrorBody, OciCode, Origin};

use crate::SERVICE;
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::Error;
use crate::scope;
use crate::service::TokenAnswer;

/// The longest form that is read, in bytes.
const LONGEST_FORM: usize = 64 << 10;

/// The routes of the token service.
pub(super) fn routes(auth: Auth) -> Router {
    Router::new().route("/service/token", get(by_basic).post(by_form)).with_state(auth)
}

/// The parameters of a query or a form, in order; keys may repeat.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    fn one(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The service must be ours, or left out.
    fn check_service(&self) -> Result<(), Failure> {
        match self.one("service") {
            "" | SERVICE => Ok(()),
            _ => Err(Failure::Invalid("the service must be harbor-registry")),
        }
    }
}

/// Why no token is issued.
enum Failure {
    Auth(Error),
    Invalid(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Auth(error)
    }
}

async fn by_basic(
    State(auth): State<Auth>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Failure> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    parameters.check_service()?;
    let caller = auth.api_caller(&headers, origin(&extensions)).await?;
    let offline = matches!(parameters.one("offline_token"), "true" | "1");
    answer(&auth, &caller, &parameters, offline).await
}

async fn by_form(
    State(auth): State<Auth>,
    extensions: Extensions,
    body: Body,
) -> Result<Response, Failure> {
    let form = Limited::new(body, LONGEST_FORM).collect().await;
    let form = form.map_err(|_| Failure::Invalid("the form could not be read"))?.to_bytes();
    let parameters = Parameters::parse(&form);
    parameters.check_service()?;
    let origin = origin(&extensions);
    let offline = parameters.one("access_type") == "offline";
    match parameters.one("grant_type") {
        "password" => {
            let (name, password) = (parameters.one("username"), parameters.one("password"));
            let caller = auth.password_caller(name, password, origin).await?;
            answer(&auth, &caller, &parameters, offline).await
        }
        "refresh_token" => {
            let caller = auth.refresh_caller(parameters.one("refresh_token"), origin).await?;
            // The client keeps the refresh token that it has.
            answer(&auth, &caller, &parameters, false).await
        }
        _ => Err(Failure::Invalid("the grant_type must be password or refresh_token")),
    }
}

async fn answer(
    auth: &Auth,
    caller: &Caller,
    parameters: &Parameters,
    offline: bool,
) -> Result<Response, Failure> {
    let scopes = scope::parse(parameters.all("scope"));
    let mut answer: TokenAnswer = auth.issue_token(caller, &scopes).await?;
    if offline && caller.id().is_some() {
        let client = parameters.one("client_id");
        answer.refresh_token = auth.issue_refresh_token(caller, client).await?;
    }
    Ok(([(CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

fn origin(extensions: &Extensions) -> Origin {
    extensions.get::<Origin>().cloned().unwrap_or_default()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code, message) = match &self {
            Self::Invalid(message) => {
                (StatusCode::BAD_REQUEST, OciCode::Unsupported, (*message).to_owned())
            }
            Self::Auth(
                error @ (Error::BadCredentials | Error::InvalidToken | Error::LoginEnded),
            ) => (StatusCode::UNAUTHORIZED, OciCode::Unauthorized, error.to_string()),
            Self::Auth(error @ (Error::TooManyLogins | Error::TooManyAttempts(_))) => {
                (StatusCode::TOO_MANY_REQUESTS, OciCode::TooManyRequests, error.to_string())
            }
            Self::Auth(error) => {
                tracing::error!(%error, "the token service failed");
                let message = "the registry is not available at the moment; try again";
                (StatusCode::SERVICE_UNAVAILABLE, OciCode::Unavailable, message.to_owned())
            }
        };
        let body = ErrorBody::one(code, message).to_json();
        let mut response = (status, [(CONTENT_TYPE, "application/json")], body).into_response();
        let retry_after = match &self {
            Self::Auth(Error::TooManyAttempts(seconds)) => Some(*seconds),
            _ if status == StatusCode::TOO_MANY_REQUESTS => Some(1),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => Some(5),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let basic = http::HeaderValue::from_static("Basic realm=\"harbor\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        response
    }
}
