//! The document of the API is right: it is a valid one, whatever is sent is answered as it says,
//! and a client that is made of it works.

mod client;
mod fuzzed;
mod junk;
mod python;

// What the walk over the API makes for each parameter.
#[allow(dead_code, reason = "the walk uses the rest")]
#[path = "../access_walk/requests.rs"]
mod requests;
#[allow(dead_code, reason = "the walk uses the rest")]
#[path = "../access_walk/routes.rs"]
mod routes;
#[allow(dead_code, reason = "the walk uses the rest")]
#[path = "../access_walk/samples.rs"]
mod samples;
#[path = "../access_walk/undelete.rs"]
mod undelete;

use routes::Route;

/// The document that clients are made of.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn the_document_is_valid() {
    python::run("openapi-spec-validator", |command| {
        command.arg(DOCUMENT);
    });
}
