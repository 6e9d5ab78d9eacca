//! Figures for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use roadstead_jobs::Figures;

mod collection;
mod database;
mod webhooks;

use collection::Collection;
use database::Database;
pub(crate) use webhooks::Told;

/// Labels never name a repository: metrics are not guarded by its permissions.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: String,
    route: &'static str,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

/// The figures of this process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<Route, Histogram>,
    running: Gauge,
}

/// A request that is running, until dropped.
pub(crate) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new(collection: Arc<Figures>, told: Told) -> Arc<Self> {
        let mut registry = Registry::with_prefix("roadstead");
        let requests = Family::<Labels, Counter>::default();
        let durations = Family::<Route, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 4.0, 8))
        });
        let running = Gauge::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time until the head of the answer",
            durations.clone(),
        );
        registry.register("http_requests_running", "Requests being answered", running.clone());
        registry.register_collector(Box::new(Collection(collection)));
        registry.register_collector(Box::new(told));
        registry.register_collector(Box::new(Database));
        Arc::new(Self { registry, requests, durations, running })
    }

    /// Counts a request as running until the answer is dropped.
    pub(crate) fn running(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    pub(crate) fn request(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let route = route(path);
        // Methods are the client's to invent, labels are not.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => method.to_string(),
            _ => "other".to_owned(),
        };
        let labels = Labels { method, route, code: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&Route { route }).observe(elapsed.as_secs_f64());
    }

    /// All figures as `OpenMetrics` text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::warn!(%error, "metrics could not be written");
                String::new()
            }
        }
    }
}

/// What a path is about; a fixed set, so that clients cannot make labels up.
fn route(path: &str) -> &'static str {
    match path {
        _ if path.starts_with("/v2/_catalog") => "catalog",
        _ if path.starts_with("/v2") => {
            let part = |name: &str| path.contains(name);
            if part("/blobs/uploads") {
                "uploads"
            } else if part("/blobs/") {
                "blobs"
            } else if part("/manifests/") {
                "manifests"
            } else if part("/tags/list") {
                "tags"
            } else if part("/referrers/") {
                "referrers"
            } else {
                "v2"
            }
        }
        _ if path.starts_with("/api/v2.0") => "api",
        "/service/token" => "token",
        _ => "other",
    }
}
