//! In debug builds: nothing is answered that the document of the API does not name. Every test of
//! the API watches over the document that way.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};

use super::RouteEntry;
use crate::failure::Failure;
use crate::openapi::statuses;

/// The statuses of each operation.
type Named = Arc<HashMap<(Method, String), BTreeSet<u16>>>;

fn key(method: &Method, path: &str) -> (Method, String) {
    (method.clone(), path.trim_end_matches('/').to_owned())
}

/// The router, whose answers are compared with the document.
pub(super) fn over<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    entries: &[RouteEntry],
) -> Router<S> {
    let named = entries.iter().map(|entry| (key(&entry.method, &entry.path), statuses(entry)));
    let named: Named = Arc::new(named.collect());
    router.layer(middleware::from_fn_with_state(named, look))
}

async fn look(
    State(named): State<Named>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    // What has no HEAD of its own answers as to GET.
    let methods = [request.method().clone(), Method::GET];
    let methods = if methods[0] == Method::HEAD { &methods[..] } else { &methods[..1] };
    let operation = path.and_then(|path| {
        methods.iter().map(|method| key(method, path.as_str())).find(|key| named.contains_key(key))
    });
    let response = next.run(request).await;
    let status = response.status();
    let known = operation.as_ref().and_then(|operation| named.get(operation));
    if status == StatusCode::METHOD_NOT_ALLOWED
        || known.is_none_or(|known| known.contains(&status.as_u16()))
    {
        return response;
    }
    let message = format!("the document does not name the status {status} of {operation:?}");
    tracing::error!(message);
    Failure::undocumented(message).into_response()
}
