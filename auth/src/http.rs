//! The token service and the logins of browsers, on the wire.

mod login;
mod oidc;
mod token;

use axum::Router;

use crate::authenticate::Auth;

/// The routes of `/service/token` and `/c/`. `Origin` is expected among the request's extensions.
pub fn routes(auth: Auth) -> Router {
    Router::new()
        .merge(token::routes(auth.clone()))
        .merge(login::routes(auth.clone()))
        .merge(oidc::routes(auth))
}
