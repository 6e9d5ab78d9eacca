//! The `OpenAPI` document of the API, made from the routes as they are registered, so that it says
//! what the router does.

use http::Method;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
    PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    ResponseBuilder, Schema,
};

use crate::guard::{Access, RouteEntry};

const JSON: &str = "application/json";

/// What a route takes and gives, beside its path.
#[derive(Clone)]
pub(crate) struct Description {
    /// The operation's id, unique.
    pub(crate) id: &'static str,
    /// The group it belongs to.
    pub(crate) tag: &'static str,
    /// One line for people.
    pub(crate) summary: &'static str,
    query: Vec<(&'static str, Type, Required)>,
    body: Option<&'static str>,
    status: u16,
    answer: Answer,
    schemas: Vec<(String, RefOr<Schema>)>,
}

#[derive(Clone)]
enum Answer {
    Nothing,
    Text,
    One(String),
    List(String),
}

impl Description {
    pub(crate) fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            query: Vec::new(),
            body: None,
            status: 200,
            answer: Answer::Nothing,
            schemas: Vec::new(),
        }
    }

    /// The answer's status, where it is not 200.
    pub(crate) fn status(&mut self, status: u16) -> &mut Self {
        self.status = status;
        self
    }

    /// An optional query parameter.
    pub(crate) fn query(&mut self, name: &'static str, kind: Type) -> &mut Self {
        self.query.push((name, kind, Required::False));
        self
    }

    /// A query parameter that must be there.
    pub(crate) fn needs_query(&mut self, name: &'static str) -> &mut Self {
        self.query.push((name, Type::String, Required::True));
        self
    }

    /// `page` and `page_size`.
    pub(crate) fn paged(&mut self) -> &mut Self {
        self.query("page", Type::Integer).query("page_size", Type::Integer)
    }

    /// `q`, `sort`, `page` and `page_size`.
    pub(crate) fn listed(&mut self) -> &mut Self {
        self.query("q", Type::String).query("sort", Type::String).paged()
    }

    /// The body is a `T` in JSON.
    pub(crate) fn accepts<T: ToSchema>(&mut self) -> &mut Self {
        self.learn::<T>();
        self.body = Some(Box::leak(T::name().into_owned().into_boxed_str()));
        self
    }

    /// The answer is a `T` in JSON.
    pub(crate) fn answers<T: ToSchema>(&mut self) -> &mut Self {
        self.learn::<T>();
        self.answer = Answer::One(T::name().into_owned());
        self
    }

    /// The answer is an array of `T` in JSON.
    pub(crate) fn answers_list<T: ToSchema>(&mut self) -> &mut Self {
        self.learn::<T>();
        self.answer = Answer::List(T::name().into_owned());
        self
    }

    /// The answer is text.
    pub(crate) fn answers_text(&mut self) -> &mut Self {
        self.answer = Answer::Text;
        self
    }

    fn learn<T: ToSchema>(&mut self) {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
    }
}

/// The document.
pub(crate) fn document(entries: &[RouteEntry]) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Roadstead")
        .description(Some("The administration API of Roadstead, compatible with Harbor's v2.0."))
        .version(env!("CARGO_PKG_VERSION"))
        .build();
    let mut components = ComponentsBuilder::new()
        .security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    let mut paths = PathsBuilder::new();
    let mut sorted: Vec<&RouteEntry> = entries.iter().collect();
    sorted.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
    for entry in sorted {
        for (name, schema) in &entry.description.schemas {
            components = components.schema(name.clone(), schema.clone());
        }
        let item = PathItem::new(http_method(&entry.method), operation(entry));
        paths = paths.path(entry.path.clone(), item);
    }
    OpenApiBuilder::new()
        .info(info)
        .paths(paths.build())
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new("basic", [""; 0])]))
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
        .extensions(Some(Extensions::builder().add("x-roadstead-access", access).build()))
        .response(description.status.to_string(), answer(&description.answer));
    for parameter in path_parameters(&entry.path) {
        operation = operation.parameter(parameter);
    }
    for (name, kind, required) in &description.query {
        operation = operation.parameter(parameter(name, kind, ParameterIn::Query, required));
    }
    if let Some(body) = description.body {
        let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(body))));
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    operation.build()
}

fn answer(answer: &Answer) -> utoipa::openapi::Response {
    let response = ResponseBuilder::new().description("Done.");
    match answer {
        Answer::Nothing => response,
        Answer::Text => {
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            response.content("text/plain", Content::new(Some(Schema::Object(text))))
        }
        Answer::One(name) => {
            response.content(JSON, Content::new(Some(RefOr::Ref(Ref::from_schema_name(name)))))
        }
        Answer::List(name) => {
            let array = ArrayBuilder::new().items(Ref::from_schema_name(name)).build();
            response.content(JSON, Content::new(Some(Schema::Array(array))))
        }
    }
    .build()
}

/// Ids are numbers; the rest is text.
fn path_parameters(path: &str) -> Vec<Parameter> {
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    named
        .map(|name| {
            let number = name == "id" || name == "mid" || name.ends_with("_id");
            let number = number && name != "project_name_or_id";
            let kind = if number { Type::Integer } else { Type::String };
            parameter(name, &kind, ParameterIn::Path, &Required::True)
        })
        .collect()
}

fn parameter(name: &str, kind: &Type, place: ParameterIn, required: &Required) -> Parameter {
    let format =
        matches!(kind, Type::Integer).then_some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    let schema = ObjectBuilder::new().schema_type(kind.clone()).format(format).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required.clone())
        .schema(Some(Schema::Object(schema)))
        .build()
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
            Self::Robot(action) => write!(f, "robot:{action} where the robot belongs"),
        }
    }
}
