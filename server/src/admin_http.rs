//! Health and metrics, on a port of their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use roadstead_storage::Db;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

#[derive(Clone)]
struct Watched {
    db: Db,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// `/livez`, `/readyz` and `/metrics`.
pub(crate) fn routes(db: Db, metrics: Arc<Metrics>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .with_state(Watched { db, metrics, stop })
}

/// Ready while the database answers and the server is not about to end.
async fn ready(State(watched): State<Watched>) -> Response {
    if watched.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    let alive = async {
        let mut conn = watched.db.read().await?;
        conn.query("SELECT 1").fetch_one::<(i64,)>().await
    };
    match alive.await {
        Ok(_) => "ok".into_response(),
        Err(error) => {
            tracing::error!(%error, "the database is not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database is not available").into_response()
        }
    }
}

async fn figures(State(watched): State<Watched>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], watched.metrics.text()).into_response()
}
