//! The schemas of bodies, as exact as their types.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::schema::{Array, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

use crate::guard::RouteEntry;

/// The components by their names.
///
/// # Panics
/// When two of them have the same name: one would stand for the other.
pub(super) fn all(entries: &[RouteEntry]) -> BTreeMap<String, RefOr<Schema>> {
    let learned = entries.iter().flat_map(|entry| &entry.description.schemas);
    let learned: Vec<_> = learned.map(|one| ((one.schemas)(), one.is_answered)).collect();
    let answered: BTreeSet<&str> = learned
        .iter()
        .filter(|(_, is_answered)| *is_answered)
        .flat_map(|(schemas, _)| schemas.iter().map(|(name, _)| name.as_str()))
        .collect();
    let mut all = BTreeMap::new();
    for (name, schema) in learned.iter().flat_map(|(schemas, _)| schemas) {
        let schema = exact(schema.clone(), answered.contains(name.as_str()));
        let before = all.insert(name.clone(), schema.clone());
        assert!(before.is_none_or(|before| before == schema), "two schemas are called {name}");
    }
    all
}

/// What is a time is said to be one. In an answer, a field that can be left out is left out, and is
/// not null.
fn exact(schema: RefOr<Schema>, is_answered: bool) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else {
        return schema;
    };
    for (name, property) in &mut object.properties {
        without_default(property);
        if is_answered && !object.required.contains(name) {
            without_null(property);
        }
        if let RefOr::T(Schema::Object(text)) = property
            && name.ends_with("_time")
            && text.schema_type == SchemaType::Type(Type::String)
            && text.format.is_none()
        {
            text.format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
        }
    }
    RefOr::T(Schema::Object(object))
}

/// What serde fills in is nothing, in the form of each type. Generators of clients would take it
/// for a value that is always there.
fn without_default(property: &mut RefOr<Schema>) {
    match property {
        RefOr::T(Schema::Object(object)) => object.default = None,
        RefOr::T(Schema::Array(array)) => array.default = None,
        RefOr::T(Schema::OneOf(either)) => either.default = None,
        RefOr::T(Schema::AllOf(all)) => all.default = None,
        RefOr::T(_) => {}
        RefOr::Ref(reference) => reference.default = None,
    }
}

fn without_null(property: &mut RefOr<Schema>) {
    let only = |kind: &mut SchemaType| {
        if let SchemaType::Array(kinds) = kind {
            kinds.retain(|kind| *kind != Type::Null);
            if let [one] = kinds.as_slice() {
                *kind = SchemaType::Type(one.clone());
            }
        }
    };
    match property {
        RefOr::T(Schema::Object(object)) => only(&mut object.schema_type),
        RefOr::T(Schema::Array(Array { schema_type, .. })) => only(schema_type),
        RefOr::T(Schema::OneOf(either)) => {
            either.items.retain(|item| !is_null(item));
            if let [one] = either.items.as_slice() {
                *property = one.clone();
            }
        }
        _ => {}
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object))
        if object.schema_type == SchemaType::Type(Type::Null))
}
