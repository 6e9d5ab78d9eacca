//! The `OpenAPI` document of the API, made from the routes as they are registered, so that it says
//! what the router does.

mod answers;
mod description;
mod failures;
mod parameters;
mod schemas;

use http::Method;
use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, Deprecated, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
};

use crate::guard::{Access, RouteEntry};
pub(crate) use description::Description;
#[cfg(debug_assertions)]
pub(crate) use failures::statuses;

const JSON: &str = "application/json";
/// What the document says of operations that are not there yet.
const LATER: &str = "This comes with a later version.";

/// The document.
pub(crate) fn document(entries: &[RouteEntry]) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Roadstead")
        .description(Some("The administration API of Roadstead, compatible with Harbor's v2.0."))
        .version(env!("CARGO_PKG_VERSION"))
        .build();
    let mut components = ComponentsBuilder::new()
        .security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    for (name, schema) in schemas::all(entries) {
        components = components.schema(name, schema);
    }
    components = failures::components(components);
    let mut paths = PathsBuilder::new();
    let mut sorted: Vec<&RouteEntry> = entries.iter().collect();
    sorted.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
    for entry in sorted {
        let item = PathItem::new(http_method(&entry.method), operation(entry));
        paths = paths.path(entry.path.clone(), item);
    }
    OpenApiBuilder::new()
        .info(info)
        .paths(paths.build())
        .components(Some(components.build()))
        // Some things are told to everybody.
        .security(Some([
            SecurityRequirement::new("basic", [""; 0]),
            SecurityRequirement::default(),
        ]))
        .build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        Method::HEAD => HttpMethod::Head,
        _ => HttpMethod::Get,
    }
}

fn operation(entry: &RouteEntry) -> Operation {
    let description = &entry.description;
    let access = json!(entry.access.to_string());
    let mut operation = OperationBuilder::new()
        .operation_id(Some(description.id))
        .tag(description.tag)
        .summary(Some(description.summary))
        .description(description.is_later.then_some(LATER))
        .deprecated(description.is_deprecated.then_some(Deprecated::True))
        // With a second one the document would have them in any order.
        .extensions(Some(Extensions::builder().add("x-roadstead-access", access).build()));
    if description.status < 400 {
        let status = description.status.to_string();
        operation = operation.response(status, answers::response(description));
    }
    for parameter in parameters::all(entry) {
        operation = operation.parameter(parameter);
    }
    if let Some((name, required)) = &description.body {
        let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(name()))));
        let body = RequestBodyBuilder::new().content(JSON, content);
        operation = operation.request_body(Some(body.required(Some(required.clone())).build()));
    }
    failures::add(operation.build(), entry)
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Login => f.write_str("login"),
            Self::Person => f.write_str("person"),
            Self::SelfOr(permission) => write!(f, "self or system {permission}"),
            Self::System(permission) => write!(f, "system {permission}"),
            Self::Project(permission) => write!(f, "project {permission}"),
            Self::Repository(permission) => write!(f, "repository {permission}"),
            Self::EitherInRepository(one, other) => write!(f, "repository {one} or {other}"),
            Self::Robot(action) => write!(f, "robot:{action} where the robot belongs"),
            Self::Label(action) => write!(f, "label:{action} where the label belongs"),
            Self::Retention(action) => write!(f, "tag-retention:{action} in the policy's project"),
        }
    }
}
