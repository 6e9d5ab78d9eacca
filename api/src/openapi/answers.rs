//! What operations answer when all is well.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type,
};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::JSON;
use super::description::{Answer, Description};

/// The response of the operation's own status.
pub(super) fn response(of: &Description) -> Response {
    let mut response = ResponseBuilder::new().description("Done.");
    if of.status == 201 {
        response = response.header("Location", header(Type::String, "The path of what was made."));
    }
    if of.query.iter().any(|(name, ..)| *name == "page") && matches!(of.answer, Answer::List(_)) {
        let total = header(Type::Integer, "How many there are on all pages.");
        let link = header(Type::String, "The pages before and behind, if there are.");
        response = response.header("X-Total-Count", total).header("Link", link);
    }
    let of_schema = |schema: RefOr<Schema>| Content::new(Some(schema));
    match &of.answer {
        Answer::Nothing => response,
        Answer::Text(kinds) => kinds.iter().fold(response, |response, kind| {
            let schema = if *kind == JSON {
                ObjectBuilder::new().schema_type(SchemaType::AnyValue)
            } else {
                ObjectBuilder::new().schema_type(Type::String)
            };
            response.content(*kind, of_schema(RefOr::T(Schema::Object(schema.build()))))
        }),
        Answer::One(name) => {
            response.content(JSON, of_schema(RefOr::Ref(Ref::from_schema_name(name()))))
        }
        Answer::List(item) => {
            let array = ArrayBuilder::new().items(item()).build();
            response.content(JSON, of_schema(RefOr::T(Schema::Array(array))))
        }
        Answer::Map(value) => {
            let values = AdditionalProperties::RefOr(value());
            let map = ObjectBuilder::new().schema_type(Type::Object);
            let map = map.additional_properties(Some(values)).build();
            response.content(JSON, of_schema(RefOr::T(Schema::Object(map))))
        }
    }
    .build()
}

fn header(kind: Type, words: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new().schema(Some(Schema::Object(schema))).description(Some(words)).build()
}
