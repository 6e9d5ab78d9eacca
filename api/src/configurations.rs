//! The configuration.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::configuration::{KEYS, Key, Kind, from_json};
use roadstead_auth::{Caller, Error as AuthError};
use roadstead_model::{Action, Resource};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let path = "/configurations";
    let access = |action| Access::System(permission(Resource::Configuration, action));
    let about = |id, summary| Description::new(id, "configure", summary);
    let description = about("getConfigurations", "Read the configuration, without its passwords");
    routes
        .add(&Method::GET, path, access(Action::Read), read, description)
        .answers::<ConfigurationsResponse>();
    let description = about("updateConfigurations", "Change keys of the configuration");
    routes
        .add(&Method::PUT, path, access(Action::Update), update, description)
        .accepts::<Configurations>();
}

/// Harbor's `StringConfigItem`, `BoolConfigItem` and `IntegerConfigItem`.
#[derive(Serialize)]
struct Item {
    value: Value,
    editable: bool,
}

async fn read(State(api): State<Api>) -> Result<Json<BTreeMap<&'static str, Item>>, Failure> {
    let configuration = api.auth.configuration().await?;
    let editable = !api.auth.is_configuration_fixed();
    let mode_editable =
        editable && api.auth.may_change_auth_mode(&mut api.db.read().await?).await?;
    let shown = KEYS.iter().filter(|key| !key.is_secret());
    let items = shown.map(|key| {
        let editable = if key.name == "auth_mode" { mode_editable } else { editable };
        (key.name, Item { value: configuration.to_json(key), editable })
    });
    Ok(Json(items.collect()))
}

/// Keys that are not known are passed over, as in Harbor.
async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<Map<String, Value>>,
) -> Result<StatusCode, Failure> {
    let changes = from_json(&request).map_err(|error| Failure::unprocessable(error.to_string()))?;
    let done = api.auth.configure(&caller, &changes).await;
    done.map_err(|error| match error {
        AuthError::Denied(message) => Failure::forbidden(message),
        other => other.into(),
    })?;
    Ok(StatusCode::OK)
}

/// Harbor's `Configurations`.
struct Configurations;

/// Harbor's `ConfigurationsResponse`.
struct ConfigurationsResponse;

fn json_type(key: &Key) -> Type {
    match key.kind {
        Kind::Switch => Type::Boolean,
        Kind::Number(..) => Type::Integer,
        _ => Type::String,
    }
}

fn item_name(key: &Key) -> &'static str {
    match key.kind {
        Kind::Switch => "BoolConfigItem",
        Kind::Number(..) => "IntegerConfigItem",
        _ => "StringConfigItem",
    }
}

fn object_of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

impl PartialSchema for Configurations {
    fn schema() -> RefOr<Schema> {
        let all = KEYS.iter().fold(object_of(Type::Object), |object, key| {
            object.property(key.name, object_of(json_type(key)).write_only(key.is_secret()))
        });
        RefOr::T(Schema::Object(all.build()))
    }
}

impl ToSchema for Configurations {}

impl PartialSchema for ConfigurationsResponse {
    fn schema() -> RefOr<Schema> {
        let shown = KEYS.iter().filter(|key| !key.is_secret());
        let all = shown.fold(object_of(Type::Object), |object, key| {
            object.property(key.name, Ref::from_schema_name(item_name(key)))
        });
        RefOr::T(Schema::Object(all.build()))
    }
}

impl ToSchema for ConfigurationsResponse {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for key in KEYS.iter().filter(|key| !key.is_secret()) {
            let item = object_of(Type::Object)
                .property("value", object_of(json_type(key)))
                .property("editable", object_of(Type::Boolean))
                .required("value")
                .required("editable");
            schemas.push((item_name(key).to_owned(), RefOr::T(Schema::Object(item.build()))));
        }
    }
}
