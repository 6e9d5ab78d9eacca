//! Health and metrics, on a port of their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use roadstead_registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::readiness::Readiness;

#[derive(Clone)]
struct Watched {
    readiness: Arc<Readiness>,
    registry: Registry,
    metrics: Arc<Metrics>,
    draining: CancellationToken,
}

/// `/livez`, `/readyz` and `/metrics`.
pub(crate) fn routes(
    readiness: Readiness,
    registry: Registry,
    metrics: Arc<Metrics>,
    draining: CancellationToken,
) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .with_state(Watched { readiness: Arc::new(readiness), registry, metrics, draining })
}

/// Ready while the database and the store answer, and the server is not about to end. While the
/// store takes no writes it is ready all the same, because pulls go on, and says so.
async fn ready(State(watched): State<Watched>) -> Response {
    if watched.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    match (watched.readiness.missing().await, watched.registry.refuses_writes()) {
        (Some(what), _) => (StatusCode::SERVICE_UNAVAILABLE, what).into_response(),
        (None, Some(why)) => format!("ok, but pushes are refused: {why}").into_response(),
        (None, None) => "ok".into_response(),
    }
}

async fn figures(State(watched): State<Watched>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], watched.metrics.text()).into_response()
}
