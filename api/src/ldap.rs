//! The LDAP directory, as administrators look at it.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_auth::directory::{Onboarded, Ping};
use roadstead_auth::ldap::{Group, Person, canonical_dn};
use roadstead_model::{Action, Resource};
use roadstead_storage::tables::group;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::Api;
use crate::body::{Body, OptionalBody};
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::user_groups::UserGroup;

/// How many people one request imports at most.
const MOST_IMPORTED: usize = 1000;

pub(crate) fn register(routes: &mut Routes) {
    let list = Access::System(permission(Resource::LdapUser, Action::List));
    let about = |id, summary| Description::new(id, "Ldap", summary);
    let access = Access::System(permission(Resource::Configuration, Action::Read));
    let description = about("pingLdap", "Try the settings of the directory, stored ones or others");
    routes
        .add(&Method::POST, "/ldap/ping", access, ping, description)
        .may_accept::<LdapConf>()
        .answers::<LdapPingResult>()
        .fails(&[412]);
    let description = about("searchLdapUser", "Search the directory for people");
    routes
        .add(&Method::GET, "/ldap/users/search", list, search_people, description)
        .query("username", Type::String)
        .answers_list::<LdapUser>()
        .fails(&[400, 412]);
    let access = Access::System(permission(Resource::LdapUser, Action::Create));
    let description = about("importLdapUser", "Make accounts for people of the directory");
    routes
        .add(&Method::POST, "/ldap/users/import", access, import, description)
        .accepts::<LdapImportUsers>()
        .fails_with_list::<Failed>(404)
        .fails(&[412]);
    let description = about("searchLdapGroup", "Search the directory for groups");
    routes
        .add(&Method::GET, "/ldap/groups/search", list, search_groups, description)
        .query("groupname", Type::String)
        .query("groupdn", Type::String)
        .answers_list::<UserGroup>()
        .fails(&[400, 404, 412]);
}

/// Harbor's `LdapConf`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names are Harbor's")]
#[schema(example = json!({"ldap_url": "ldaps://ldap.example.com"}))]
struct LdapConf {
    ldap_url: Option<String>,
    ldap_search_dn: Option<String>,
    #[schema(write_only)]
    ldap_search_password: Option<String>,
    ldap_base_dn: Option<String>,
    ldap_filter: Option<String>,
    ldap_uid: Option<String>,
    ldap_scope: Option<i64>,
    ldap_connection_timeout: Option<i64>,
    ldap_verify_cert: Option<bool>,
}

impl From<LdapConf> for Ping {
    fn from(given: LdapConf) -> Self {
        Self {
            url: given.ldap_url,
            search_dn: given.ldap_search_dn,
            search_password: given.ldap_search_password,
            base_dn: given.ldap_base_dn,
            filter: given.ldap_filter,
            uid: given.ldap_uid,
            scope: given.ldap_scope,
            timeout: given.ldap_connection_timeout,
            verify_cert: given.ldap_verify_cert,
        }
    }
}

/// Harbor's `LdapPingResult`.
#[derive(Serialize, ToSchema)]
struct LdapPingResult {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    success: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// Harbor's `LdapUser`.
#[derive(Serialize, ToSchema)]
struct LdapUser {
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    realname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
}

impl From<Person> for LdapUser {
    fn from(person: Person) -> Self {
        let email = person.email.unwrap_or_default();
        Self { username: person.username, realname: person.realname, email }
    }
}

/// Without an id: it need not be known here.
impl From<Group> for UserGroup {
    fn from(found: Group) -> Self {
        let ldap_group_dn = canonical_dn(&found.dn).unwrap_or(found.dn);
        Self { id: 0, group_name: found.name, group_type: group::LDAP, ldap_group_dn }
    }
}

/// Harbor's `LdapImportUsers`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"ldap_uid_list": ["alice"]}))]
struct LdapImportUsers {
    #[serde(default)]
    ldap_uid_list: Vec<String>,
}

/// Harbor's `LdapFailedImportUser`.
#[derive(Serialize, ToSchema)]
#[schema(as = LdapFailedImportUser)]
struct Failed {
    uid: String,
    error: &'static str,
}

async fn ping(
    State(api): State<Api>,
    OptionalBody(given): OptionalBody<LdapConf>,
) -> Result<Json<LdapPingResult>, Failure> {
    let answer = api.auth.ping_directory(given.unwrap_or_default().into()).await?;
    let message = answer.err().map(|error| error.to_string()).unwrap_or_default();
    Ok(Json(LdapPingResult { success: message.is_empty(), message }))
}

async fn search_people(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<LdapUser>>, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let part = query.get("username").unwrap_or_default();
    let people = api.auth.search_directory_people(part).await?;
    Ok(Json(people.into_iter().map(LdapUser::from).collect()))
}

async fn search_groups(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<UserGroup>>, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let (name, dn) = (query.get("groupname"), query.get("groupdn").unwrap_or_default());
    if !dn.is_empty() && canonical_dn(dn).is_none() {
        return Err(Failure::bad_request("groupdn is not a distinguished name (RFC 4514)"));
    }
    let groups = api.auth.search_directory_groups(name.unwrap_or_default(), dn).await?;
    if groups.is_empty() {
        return Err(Failure::not_found("the directory has no such group"));
    }
    Ok(Json(groups.into_iter().map(UserGroup::from).collect()))
}

/// Those who could be imported are; a list of the others is answered with 404, as in Harbor.
async fn import(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<LdapImportUsers>,
) -> Result<Response, Failure> {
    if !api.auth.configuration().await?.is_ldap() {
        return Err(Failure::precondition("auth_mode is not ldap_auth"));
    }
    if request.ldap_uid_list.len() > MOST_IMPORTED {
        let message = format!("ldap_uid_list must have at most {MOST_IMPORTED} names");
        return Err(Failure::bad_request(message));
    }
    let mut failed = Vec::new();
    for uid in request.ldap_uid_list {
        let error = match api.auth.onboard(&caller, &uid).await? {
            Onboarded::Account(_) => continue,
            Onboarded::Unknown if uid.trim().is_empty() => "empty_uid",
            Onboarded::Unknown => "unknown_user",
            Onboarded::Refused => "the name belongs to another account, or the account is disabled",
        };
        failed.push(Failed { uid, error });
    }
    if failed.is_empty() {
        return Ok(StatusCode::OK.into_response());
    }
    Ok((StatusCode::NOT_FOUND, Json(failed)).into_response())
}
