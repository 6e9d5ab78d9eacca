//! The front door: every request gets an id, an origin, a line in the log and a figure here, and
//! goes to the room that answers it.
//!
//! The protocol's requests go there directly: a router with all routes of the API around them costs
//! as much as answering a pull from memory.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use roadstead_registry::http::Protocol;
use tower::ServiceExt as _;

use crate::listener::Site;
use crate::request::{self, Around};

/// What answers clients.
#[derive(Clone)]
pub(crate) struct Front(Arc<Rooms>);

struct Rooms {
    around: Around,
    protocol: Protocol,
    /// The API, tokens and logins.
    rest: Router,
}

impl Front {
    pub(crate) fn new(around: Around, protocol: Protocol, rest: Router) -> Self {
        Self(Arc::new(Rooms { around, protocol, rest }))
    }
}

impl Site for Front {
    async fn answer(&self, request: Request<Body>) -> Response {
        let rooms = &*self.0;
        request::observe(&rooms.around, request, async |request| {
            let answered = AssertUnwindSafe(rooms.answer(request)).catch_unwind().await;
            answered.unwrap_or_else(request::panicked)
        })
        .await
    }
}

impl Rooms {
    async fn answer(&self, request: Request<Body>) -> Response {
        if Protocol::has(request.uri().path()) {
            return self.protocol.answer(request).await;
        }
        match self.rest.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
