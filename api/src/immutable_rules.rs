//! Rules that make tags immutable.

use std::collections::{BTreeMap, HashMap};

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, Pattern, Resource, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::immutable_rule::{self, Decoration, Rule, Selector};
use roadstead_storage::tables::project::Project;
use roadstead_storage::{Error as StorageError, Turn, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

const COLUMNS: &[Column] = &[
    Column::new("id", "id", Kind::Integer),
    Column::new("priority", "priority", Kind::Integer),
    Column::new("disabled", "disabled", Kind::Boolean),
];

/// The only words that Harbor has for these.
const ACTION: &str = "immutable";
const TEMPLATE: &str = "immutable_template";
const KIND: &str = "doublestar";
const SCOPE: &str = "repository";

pub(crate) fn register(routes: &mut Routes) {
    let all = "/projects/{project_name_or_id}/immutabletagrules";
    let one = "/projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}";
    let access = |action| Access::Project(permission(Resource::ImmutableTag, action));
    let about = |id, summary| Description::new(id, "immutable", summary);
    let description = about("ListImmuRules", "List the rules of immutable tags of a project");
    routes
        .add(&Method::GET, all, access(Action::List), list, description)
        .listed()
        .answers_list::<ImmutableRule>();
    let description = about("CreateImmuRule", "Make tags of a project immutable");
    routes
        .add(&Method::POST, all, access(Action::Create), create, description)
        .accepts::<ImmutableRule>()
        .status(201)
        .fails(&[409]);
    let description = about("UpdateImmuRule", "Change a rule, or switch it on or off");
    routes
        .add(&Method::PUT, one, access(Action::Update), update, description)
        .accepts::<ImmutableRule>()
        .fails(&[409]);
    let description = about("DeleteImmuRule", "Delete a rule");
    routes.add(&Method::DELETE, one, access(Action::Delete), delete, description);
}

/// Harbor's `ImmutableRule`. Of each list of selectors the first one counts.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({
    "id": 1, "action": "immutable", "template": "immutable_template",
    "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "v*"}],
    "scope_selectors": {
        "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}],
    },
}))]
struct ImmutableRule {
    id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    priority: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    action: String,
    template: String,
    tag_selectors: Option<Vec<ImmutableSelector>>,
    scope_selectors: BTreeMap<String, Vec<ImmutableSelector>>,
}

/// Harbor's `ImmutableSelector`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
struct ImmutableSelector {
    kind: String,
    decoration: String,
    pattern: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl From<Rule> for ImmutableRule {
    fn from(rule: Rule) -> Self {
        let selector = |selector: Selector, words: [&str; 2]| ImmutableSelector {
            kind: KIND.to_owned(),
            decoration: words[usize::from(selector.decoration == Decoration::Excludes)].to_owned(),
            pattern: selector.pattern,
        };
        let repository = selector(rule.repository, REPOSITORY_WORDS);
        Self {
            id: rule.id,
            priority: rule.priority,
            disabled: rule.disabled,
            action: ACTION.to_owned(),
            template: TEMPLATE.to_owned(),
            tag_selectors: Some(vec![selector(rule.tag, TAG_WORDS)]),
            scope_selectors: [(SCOPE.to_owned(), vec![repository])].into(),
        }
    }
}

/// The words for [`Decoration::Matches`] and [`Decoration::Excludes`].
const REPOSITORY_WORDS: [&str; 2] = ["repoMatches", "repoExcludes"];
const TAG_WORDS: [&str; 2] = ["matches", "excludes"];

impl ImmutableRule {
    fn checked(mut self) -> Result<Rule, Failure> {
        if !["", ACTION].contains(&self.action.as_str()) {
            return Err(Failure::bad_request(format!("action must be {ACTION}")));
        }
        if !["", TEMPLATE].contains(&self.template.as_str()) {
            return Err(Failure::bad_request(format!("template must be {TEMPLATE}")));
        }
        let repository = self.scope_selectors.remove(SCOPE).unwrap_or_default();
        Ok(Rule {
            id: self.id,
            priority: self.priority,
            disabled: self.disabled,
            repository: first(repository, "scope_selectors.repository", REPOSITORY_WORDS)?,
            tag: first(self.tag_selectors.unwrap_or_default(), "tag_selectors", TAG_WORDS)?,
        })
    }
}

fn first(
    selectors: Vec<ImmutableSelector>,
    what: &str,
    words: [&str; 2],
) -> Result<Selector, Failure> {
    let selector = selectors.into_iter().next();
    let missing = || Failure::bad_request(format!("{what} must have an entry"));
    let ImmutableSelector { kind, decoration, pattern } = selector.ok_or_else(missing)?;
    if kind != KIND {
        return Err(Failure::bad_request(format!("the kind of {what} must be {KIND}")));
    }
    let decoration = match words.iter().position(|word| *word == decoration) {
        Some(0) => Decoration::Matches,
        Some(_) => Decoration::Excludes,
        None => {
            let [matches, excludes] = words;
            let message = format!("the decoration of {what} must be {matches} or {excludes}");
            return Err(Failure::bad_request(message));
        }
    };
    match Pattern::parse(&pattern) {
        Ok(_) => Ok(Selector { decoration, pattern }),
        Err(error) => Err(Failure::bad_request(format!("the pattern of {what}: {error}"))),
    }
}

async fn list(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut order = sorting(&query, COLUMNS)?;
    order.push(("id", false));
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let total = immutable_rule::count(&mut conn, project.id, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let rules =
        immutable_rule::list(&mut conn, project.id, &conditions, &order, limit, offset).await?;
    let answers: Vec<ImmutableRule> = rules.into_iter().map(ImmutableRule::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

/// A new rule is in force, whatever the request says.
async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    uri: Uri,
    Body(request): Body<ImmutableRule>,
) -> Result<Response, Failure> {
    let Rule { priority, repository, tag, .. } = request.checked()?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let id = immutable_rule::insert(&mut tx, project.id, priority, &repository, &tag, now)
        .await
        .map_err(|error| conflict(error, &project))?;
    let rule = Rule { id, priority, disabled: false, repository, tag };
    record(&mut tx, &caller, &project, &rule, "create", now).await?;
    tx.commit().await?;
    let location = format!("{}/{id}", uri.path().trim_end_matches('/'));
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

fn conflict(error: StorageError, project: &Project) -> Failure {
    match error {
        StorageError::Conflict => {
            Failure::conflict("the project has the same rule of immutable tags already")
        }
        StorageError::Reference => gone(&project.name),
        other => other.into(),
    }
}

fn gone(what: impl std::fmt::Display) -> Failure {
    Failure::not_found(format!("{what} not found"))
}

/// A request that switches the rule on or off changes nothing else.
async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    Body(request): Body<Option<ImmutableRule>>,
) -> Result<StatusCode, Failure> {
    let id = number(&path, "immutable_rule_id")?;
    let missing = || gone(format!("immutable tag rule {id}"));
    // Whether there is such a rule is told first, as in Harbor, whatever the body says.
    let found = immutable_rule::find(&mut api.db.read().await?, project.id, id).await?;
    found.ok_or_else(missing)?;
    let request = request.ok_or_else(|| Failure::unprocessable("the body must be a rule"))?;
    if request.id != id {
        return Err(Failure::bad_request("the id in the body must be that of the path"));
    }
    let wanted = request.checked()?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let before = immutable_rule::find(&mut tx, project.id, id).await?.ok_or_else(missing)?;
    let rule = if wanted.disabled == before.disabled {
        wanted
    } else {
        Rule { disabled: wanted.disabled, ..before }
    };
    let changed = immutable_rule::update(&mut tx, project.id, &rule, now).await;
    if !changed.map_err(|error| conflict(error, &project))? {
        return Err(missing());
    }
    record(&mut tx, &caller, &project, &rule, "update", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let id = number(&path, "immutable_rule_id")?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let missing = || gone(format!("immutable tag rule {id}"));
    let rule = immutable_rule::find(&mut tx, project.id, id).await?.ok_or_else(missing)?;
    if !immutable_rule::remove(&mut tx, project.id, id, now).await? {
        return Err(missing());
    }
    record(&mut tx, &caller, &project, &rule, "delete", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    project: &Project,
    rule: &Rule,
    operation: &'static str,
    now: Timestamp,
) -> Result<(), Failure> {
    let words = |selector: &Selector| match selector.decoration {
        Decoration::Matches => format!("matching {:?}", selector.pattern),
        Decoration::Excludes => format!("but {:?}", selector.pattern),
    };
    let state = if rule.disabled { ", disabled" } else { "" };
    let text =
        format!("repositories {}, tags {}{state}", words(&rule.repository), words(&rule.tag));
    let name = format!("{}/{}", project.name, rule.id);
    let event = Event::of("immutable_rule", &name, operation).in_project(project.id);
    Ok(audit::record(tx, caller.actor(), event.described(&text), now).await?)
}
