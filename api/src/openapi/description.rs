//! What a route takes and gives, as it is told where the route is registered.

use std::borrow::Cow;
use std::collections::BTreeSet;

use utoipa::openapi::schema::Type;
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What a route takes and gives, beside its path.
#[derive(Clone)]
pub(crate) struct Description {
    /// The operation's id, unique.
    pub(crate) id: &'static str,
    /// The group it belongs to.
    pub(crate) tag: &'static str,
    /// One line for people.
    pub(crate) summary: &'static str,
    pub(super) query: Vec<(&'static str, Type, Required)>,
    pub(super) headers: Vec<(&'static str, Type, Required)>,
    pub(super) body: Option<(Name, Required)>,
    pub(super) status: u16,
    pub(super) answer: Answer,
    /// Errors that do not follow from what it takes.
    pub(super) failures: BTreeSet<u16>,
    /// Errors whose body is something else, by the name of its schema.
    pub(super) odd_failure: Option<(u16, Name)>,
    pub(super) schemas: Vec<Learned>,
    /// Whether Harbor does here what comes later.
    pub(crate) is_later: bool,
    pub(super) is_deprecated: bool,
}

/// The name of a schema. A server that runs needs none, so they are made for the document only.
pub(super) type Name = fn() -> Cow<'static, str>;

/// Schemas of components.
#[derive(Clone)]
pub(super) struct Learned {
    pub(super) schemas: fn() -> Vec<(String, RefOr<Schema>)>,
    /// Whether they are part of an answer.
    pub(super) is_answered: bool,
}

/// What the body of an answer is.
#[derive(Clone)]
pub(super) enum Answer {
    Nothing,
    /// One of several media types, as text or bytes.
    Text(&'static [&'static str]),
    One(Name),
    List(fn() -> RefOr<Schema>),
    Map(fn() -> RefOr<Schema>),
}

impl Description {
    pub(crate) fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            status: 200,
            answer: Answer::Nothing,
            failures: BTreeSet::new(),
            odd_failure: None,
            schemas: Vec::new(),
            is_later: false,
            is_deprecated: false,
        }
    }

    /// The answer's status, where it is not 200.
    pub(crate) fn status(&mut self, status: u16) -> &mut Self {
        self.status = status;
        self
    }

    /// Errors beside those that follow from who may ask, and from what is taken
    /// ([`statuses`](super::failures::statuses)).
    pub(crate) fn fails(&mut self, statuses: &[u16]) -> &mut Self {
        self.failures.extend(statuses);
        self
    }

    /// An error that is answered with an array of `T`.
    pub(crate) fn fails_with_list<T: ToSchema>(&mut self, status: u16) -> &mut Self {
        self.learn(schemas_of::<T>, true);
        self.failures.insert(status);
        self.odd_failure = Some((status, T::name));
        self
    }

    /// An optional query parameter.
    pub(crate) fn query(&mut self, name: &'static str, kind: Type) -> &mut Self {
        self.query.push((name, kind, Required::False));
        self
    }

    /// A query parameter that must be there.
    pub(crate) fn needs_query(&mut self, name: &'static str, kind: Type) -> &mut Self {
        self.query.push((name, kind, Required::True));
        self
    }

    /// An optional header.
    pub(crate) fn header(&mut self, name: &'static str, kind: Type) -> &mut Self {
        self.headers.push((name, kind, Required::False));
        self
    }

    /// A header that must be there.
    pub(crate) fn needs_header(&mut self, name: &'static str) -> &mut Self {
        self.headers.push((name, Type::String, Required::True));
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
        self.learn(schemas_of::<T>, false);
        self.body = Some((T::name, Required::True));
        self
    }

    /// The same, where it may be left out.
    pub(crate) fn may_accept<T: ToSchema>(&mut self) -> &mut Self {
        self.accepts::<T>();
        self.body = self.body.take().map(|(name, _)| (name, Required::False));
        self
    }

    /// The answer is a `T` in JSON.
    pub(crate) fn answers<T: ToSchema>(&mut self) -> &mut Self {
        self.learn(schemas_of::<T>, true);
        self.answer = Answer::One(T::name);
        self
    }

    /// The answer is an array of `T` in JSON.
    pub(crate) fn answers_list<T: ToSchema>(&mut self) -> &mut Self {
        self.learn(schemas_of_item::<T>, true);
        self.answer = Answer::List(item::<T>);
        self
    }

    /// The answer is an object of `T` in JSON, whose keys can be anything.
    pub(crate) fn answers_map<T: ToSchema>(&mut self) -> &mut Self {
        self.learn(schemas_of_item::<T>, true);
        self.answer = Answer::Map(item::<T>);
        self
    }

    /// The answer is text.
    pub(crate) fn answers_text(&mut self) -> &mut Self {
        self.answers_bytes(&["text/plain"])
    }

    /// The answer is of one of these media types.
    pub(crate) fn answers_bytes(&mut self, kinds: &'static [&'static str]) -> &mut Self {
        self.answer = Answer::Text(kinds);
        self
    }

    /// What Harbor does here comes later.
    pub(crate) fn later(&mut self) -> &mut Self {
        self.is_later = true;
        self
    }

    /// Harbor has something better.
    pub(crate) fn deprecated(&mut self) -> &mut Self {
        self.is_deprecated = true;
        self
    }

    fn learn(&mut self, schemas: fn() -> Vec<(String, RefOr<Schema>)>, is_answered: bool) {
        self.schemas.push(Learned { schemas, is_answered });
    }
}

/// A component's name, or of what is none, such as text, the schema itself.
fn item<T: ToSchema>() -> RefOr<Schema> {
    match <T as PartialSchema>::schema() {
        RefOr::T(Schema::Object(object)) if object.properties.is_empty() => {
            RefOr::T(Schema::Object(object))
        }
        _ => RefOr::Ref(utoipa::openapi::Ref::from_schema_name(T::name())),
    }
}

fn schemas_of_item<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    match item::<T>() {
        RefOr::T(_) => Vec::new(),
        RefOr::Ref(_) => schemas_of::<T>(),
    }
}

/// The schema of a component, and those that it refers to.
fn schemas_of<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    schemas
}
