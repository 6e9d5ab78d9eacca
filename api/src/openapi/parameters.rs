//! The parameters of operations: their types, their limits, and an example of each where one helps.

use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Required, Schema};

use super::description::Description;
use crate::guard::RouteEntry;

/// Whether `{project_name_or_id}` is a name, although it has digits only.
const IS_NAME: &str = "X-Is-Resource-Name";

/// The names of a path's parameters.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Ids are numbers, but for those that have other forms, or for which there is a word for all.
pub(super) fn is_number(name: &str) -> bool {
    const WORDS: [&str; 5] =
        ["project_name_or_id", "pool_id", "job_id", "report_id", "registration_id"];
    matches!(name, "id" | "mid" | "eid" | "tid")
        || (name.ends_with("_id") && !WORDS.contains(&name))
}

/// All parameters of an operation.
pub(super) fn all(entry: &RouteEntry) -> Vec<Parameter> {
    let mut all: Vec<Parameter> = names(&entry.path).map(in_path).collect();
    let Description { query, headers, .. } = &entry.description;
    let given = |place: ParameterIn| {
        move |(name, kind, required): &(&str, Type, Required)| {
            parameter(name, kind, place.clone(), required)
        }
    };
    all.extend(query.iter().map(given(ParameterIn::Query)));
    if names(&entry.path).any(|name| name == "project_name_or_id") {
        all.push(parameter(IS_NAME, &Type::Boolean, ParameterIn::Header, &Required::False));
    }
    all.extend(headers.iter().map(given(ParameterIn::Header)));
    all
}

fn in_path(name: &str) -> Parameter {
    let kind = if is_number(name) { Type::Integer } else { Type::String };
    parameter(name, &kind, ParameterIn::Path, &Required::True)
}

fn parameter(name: &str, kind: &Type, place: ParameterIn, required: &Required) -> Parameter {
    let format =
        matches!(kind, Type::Integer).then_some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    let schema = ObjectBuilder::new().schema_type(kind.clone()).format(format);
    let schema = match (name, &place) {
        ("page", _) => schema.default(Some(json!(1))),
        ("page_size", _) => schema.default(Some(json!(10))).maximum(Some(100)),
        ("with_tag" | "with_detail", _) => schema.default(Some(json!(true))),
        ("addition", _) => schema.enum_values(Some(crate::artifacts::ADDITIONS)),
        (_, ParameterIn::Path) if *kind == Type::String => schema.min_length(Some(1)),
        _ => schema,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required.clone())
        .description(words(name))
        .schema(Some(Schema::Object(schema.build())))
        .example(example(name))
        .build()
}

fn words(name: &str) -> Option<&'static str> {
    Some(match name {
        "q" => {
            "Conditions `key=value` with commas between them. A value is exact, or `~part`, \
             `[least~most]`, `{one other}` for any of them, or `(one other)` for all of them."
        }
        "sort" => "Keys with commas between them; with a minus before a key it is descending.",
        "page_size" => "0 for everything there is.",
        "project_name_or_id" => "What has digits only is an id.",
        IS_NAME => "What has digits only is a name.",
        "repository_name" => {
            "Below the project; a slash in it is written as `%252F`, escaped twice."
        }
        "reference" => "A tag or a digest.",
        "X-Resource-Name-In-Location" => "Whether `Location` ends in the name, and not in the id.",
        _ => return None,
    })
}

fn example(name: &str) -> Option<Value> {
    Some(match name {
        "project_name_or_id" | "project_name" => json!("library"),
        "repository_name" => json!("hello-world"),
        "reference" | "tag_name" => json!("latest"),
        "from" => json!("library/hello-world:latest"),
        "scope" => json!("g"),
        "meta_name" => json!("auto_scan"),
        "pool_id" | "job_id" | "job_type" => json!("all"),
        "digest" => json!(format!("sha256:{}", "0".repeat(64))),
        _ => return None,
    })
}
