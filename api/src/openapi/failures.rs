//! The errors that an operation answers: those that follow from who may ask and from what it takes,
//! and those that it names itself.

use std::collections::BTreeSet;

use roadstead_model::ErrorBody;
use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayBuilder, ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::JSON;
use super::parameters::{is_number, names};
use crate::cli_secret;
use crate::guard::{Access, RouteEntry};

/// The component that errors are.
const ERRORS: &str = "Errors";

/// Each with the name of its component, one of its codes, and what it means.
const FAILURES: [(u16, &str, &str, &str); 11] = [
    (400, "BadRequest", "BAD_REQUEST", "What was sent makes no sense."),
    (401, "Unauthorized", "UNAUTHORIZED", "Nobody has logged in, or the credentials are wrong."),
    (403, "Forbidden", "FORBIDDEN", "The caller lacks the permission, or the system is read-only."),
    (404, "NotFound", "NOT_FOUND", "There is no such thing."),
    (409, "Conflict", "CONFLICT", "It is there already, or in use."),
    (412, "PreconditionFailed", "PRECONDITION", "Something else must be done first."),
    (413, "PayloadTooLarge", "REQUEST_ENTITY_TOO_LARGE", "The body is too large."),
    (415, "UnsupportedMediaType", "UNSUPPORTED_MEDIA_TYPE", "The body is not application/json."),
    (
        422,
        "UnprocessableEntity",
        "UNPROCESSABLE_ENTITY",
        "A parameter or the body is of another type, or is missing.",
    ),
    (429, "TooManyRequests", "TOO_MANY_REQUEST", "Too many wrong logins; wait."),
    (503, "ServiceUnavailable", "UNKNOWN", "Something below does not answer; try again."),
];

/// Every status that the operation answers, its success included.
pub(crate) fn statuses(entry: &RouteEntry) -> BTreeSet<u16> {
    let RouteEntry { method, path, access, description } = entry;
    // Wrong credentials are refused everywhere, and so is who tries too many.
    let mut all = BTreeSet::from([401, 429, 503]);
    let open = *access == Access::Anyone && method.is_safe();
    if !open || !cli_secret::opens(method, path) {
        all.insert(403);
    }
    if names(path).next().is_some() {
        // Something that is not UTF-8, or names nothing.
        all.extend([400, 404]);
    }
    if names(path).any(is_number) || !description.query.is_empty() {
        all.insert(422);
    }
    if description.query.iter().any(|(name, ..)| *name == "sort") {
        all.insert(400);
    }
    if description.body.is_some() {
        all.extend([400, 413, 415, 422]);
    }
    all.extend(&description.failures);
    if !(description.is_later && description.status >= 400) {
        all.insert(description.status);
    }
    all
}

/// The operation with its errors.
///
/// # Panics
/// When one has no words here.
pub(super) fn add(mut operation: Operation, entry: &RouteEntry) -> Operation {
    let named = statuses(entry);
    let is_known = |status: &u16| FAILURES.iter().any(|(known, ..)| known == status);
    let all_known = named.iter().all(|status| *status < 400 || is_known(status));
    assert!(all_known, "there are no words for a status of {}", entry.path);
    for (status, name, ..) in FAILURES {
        if !named.contains(&status) {
            continue;
        }
        let response = match &entry.description.odd_failure {
            Some((odd, schema)) if *odd == status => RefOr::T(odd_response(&schema())),
            _ => RefOr::Ref(Ref::from_response_name(name)),
        };
        operation.responses.responses.insert(status.to_string(), response);
    }
    operation
}

/// An array of what could not be done, or an error like others.
fn odd_response(schema: &str) -> Response {
    let failed = ArrayBuilder::new().items(Ref::from_schema_name(schema)).build();
    let either = utoipa::openapi::schema::OneOfBuilder::new()
        .item(Schema::Array(failed))
        .item(Ref::from_schema_name(ERRORS))
        .build();
    ResponseBuilder::new()
        .description("What could not be done.")
        .content(JSON, Content::new(Some(Schema::OneOf(either))))
        .build()
}

/// The components that errors are.
pub(super) fn components(mut components: ComponentsBuilder) -> ComponentsBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let error = ObjectBuilder::new()
        .description(Some("Harbor's `Error`."))
        .property("code", text())
        .property("message", text())
        .required("code")
        .required("message");
    let list = ArrayBuilder::new().items(Ref::from_schema_name("Error")).build();
    let errors = ObjectBuilder::new()
        .description(Some("Harbor's `Errors`, of which there is one."))
        .property(ERRORS.to_lowercase(), Schema::Array(list))
        .required(ERRORS.to_lowercase());
    components = components.schema("Error", error).schema(ERRORS, errors);
    for (status, name, code, words) in FAILURES {
        let example: serde_json::Value =
            serde_json::from_slice(&ErrorBody::one(code, words).to_json()).unwrap_or(json!({}));
        let mut content = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name(ERRORS))));
        content.example = Some(example);
        let mut response = ResponseBuilder::new().description(words).content(JSON, content);
        if matches!(status, 429 | 503) {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
            let header = HeaderBuilder::new()
                .schema(Some(Schema::Object(seconds)))
                .description(Some("In how many seconds to try again."))
                .build();
            response = response.header("Retry-After", header);
        }
        components = components.response(name, response.build());
    }
    components
}
