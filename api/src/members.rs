//! Members of projects.

use std::collections::HashMap;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use roadstead_auth::{Caller, Error as AuthError, GroupName};
use roadstead_model::{Action, PrincipalId, Resource, RoleId};
use roadstead_storage::tables::member::{self, Member};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::{group, user};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, note_refusal, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::user_groups::UserGroup;

pub(crate) fn register(routes: &mut Routes) {
    let all = "/projects/{project_name_or_id}/members";
    let one = "/projects/{project_name_or_id}/members/{mid}";
    let access = |action| Access::Project(permission(Resource::Member, action));
    let about = |id, summary| Description::new(id, "member", summary);
    let description = about("listProjectMembers", "List the members of a project");
    routes
        .add(&Method::GET, all, access(Action::List), list, description)
        .paged()
        .query("entityname", Type::String)
        .answers_list::<ProjectMemberEntity>();
    let description = about("createProjectMember", "Give somebody a role in a project");
    routes
        .add(&Method::POST, all, access(Action::Create), create, description)
        .accepts::<ProjectMember>()
        .status(201)
        .fails(&[409, 412]);
    let description = about("getProjectMember", "Find a member of a project");
    routes
        .add(&Method::GET, one, access(Action::Read), get, description)
        .answers::<ProjectMemberEntity>();
    let description = about("updateProjectMember", "Give a member another role");
    routes
        .add(&Method::PUT, one, access(Action::Update), update, description)
        .accepts::<RoleRequest>()
        .fails(&[412]);
    let description = about("deleteProjectMember", "End a membership");
    routes.add(&Method::DELETE, one, access(Action::Delete), delete, description).fails(&[412]);
}

/// Harbor's `ProjectMember`. With `repository_pattern`, which is ours, the role holds only for
/// the repositories whose name below the project matches.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"role_id": 2, "member_user": {"username": "alice"}}))]
struct ProjectMember {
    #[serde(default)]
    role_id: i64,
    member_user: Option<UserEntity>,
    member_group: Option<UserGroup>,
    repository_pattern: Option<String>,
}

/// Harbor's `UserEntity`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct UserEntity {
    user_id: Option<i64>,
    username: Option<String>,
}

/// Harbor's `RoleRequest`. The pattern of a member stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"role_id": 3}))]
struct RoleRequest {
    role_id: i64,
    repository_pattern: Option<String>,
}

/// Harbor's `ProjectMemberEntity`, with the pattern that limits it, if one does.
#[derive(Debug, Serialize, ToSchema)]
struct ProjectMemberEntity {
    id: i64,
    project_id: i64,
    entity_name: String,
    role_name: String,
    role_id: i64,
    entity_id: i64,
    entity_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    repository_pattern: String,
}

impl From<Member> for ProjectMemberEntity {
    fn from(member: Member) -> Self {
        Self {
            id: member.id,
            project_id: member.project.0,
            entity_name: member.entity_name,
            role_name: member.role_name,
            role_id: member.role.0,
            entity_id: member.entity.0,
            entity_type: if member.is_group { "g" } else { "u" },
            repository_pattern: member.pattern,
        }
    }
}

async fn list(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let name = query.get("entityname").unwrap_or_default();
    let mut conn = api.db.read().await?;
    let total = member::count(&mut conn, project.id, name).await?;
    let members = member::list(&mut conn, project.id, name, query.limit(), query.offset()).await?;
    let answers: Vec<ProjectMemberEntity> =
        members.into_iter().map(ProjectMemberEntity::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    uri: Uri,
    Body(request): Body<ProjectMember>,
) -> Result<Response, Failure> {
    let pattern = request.repository_pattern.unwrap_or_default();
    let user = request.member_user.unwrap_or_default();
    let group = request.member_group.unwrap_or_default();
    let who = entity(&api, &caller, &user, &group).await?;
    let role = RoleId(request.role_id);
    let made = api.auth.add_member(&caller, &project, who, role, &pattern).await;
    let id = noted(&api, &caller, &Method::POST, &uri, made).await?;
    let location = format!("{}/{id}", uri.path().trim_end_matches('/'));
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

/// Whom a request means. Clients send the parts that they do not use as empty.
async fn entity(
    api: &Api,
    caller: &Caller,
    user: &UserEntity,
    group: &UserGroup,
) -> Result<PrincipalId, Failure> {
    let some_id = |id: Option<i64>| id.filter(|id| *id > 0).map(PrincipalId);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let username = text(&user.username);
    let (name, dn) = (group.group_name.as_str(), group.ldap_group_dn.as_str());
    let missing = |what: &str, which: &dyn std::fmt::Display| {
        Failure::not_found(format!("{what} {which} not found"))
    };
    if let Some(id) = some_id(user.user_id) {
        let found = user::find_by_id(&mut api.db.read().await?, id).await?;
        return found.map(|_| id).ok_or_else(|| missing("user", &id));
    }
    if let Some(id) = some_id(Some(group.id)) {
        let found = group::find(&mut api.db.read().await?, id).await?;
        return found.map(|_| id).ok_or_else(|| missing("user group", &id));
    }
    if !username.is_empty() {
        let found = api.auth.find_or_onboard(caller, &username).await?;
        return found.ok_or_else(|| missing("user", &username));
    }
    if !dn.is_empty() || !name.is_empty() {
        let kind = if dn.is_empty() { group.group_type } else { group::LDAP };
        let wanted = GroupName { name, ldap_dn: dn, kind };
        let found = api.auth.find_or_onboard_group(caller, wanted).await?;
        let which = if dn.is_empty() { name } else { dn };
        return found.ok_or_else(|| missing("user group", &which));
    }
    Err(Failure::bad_request("member_user or member_group must say who it is"))
}

async fn get(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<ProjectMemberEntity>, Failure> {
    let found = find(&api, &project, number(&path, "mid")?).await?;
    Ok(Json(found.into()))
}

async fn find(api: &Api, project: &Project, id: i64) -> Result<Member, Failure> {
    let found = member::find(&mut api.db.read().await?, project.id, id).await?;
    found.ok_or_else(|| Failure::not_found(format!("project member {id} not found")))
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    uri: Uri,
    Body(request): Body<RoleRequest>,
) -> Result<StatusCode, Failure> {
    let id = number(&path, "mid")?;
    let before = find(&api, &project, id).await?;
    if request.repository_pattern.is_some_and(|pattern| pattern != before.pattern) {
        return Err(Failure::bad_request(
            "repository_pattern cannot be changed; remove the member and add it again",
        ));
    }
    let set = api.auth.set_member_role(&caller, &project, id, RoleId(request.role_id)).await;
    noted(&api, &caller, &Method::PUT, &uri, set).await?;
    Ok(StatusCode::OK)
}

/// Who tries to hand out more than they have leaves a row.
async fn noted<T>(
    api: &Api,
    caller: &Caller,
    method: &Method,
    uri: &Uri,
    result: Result<T, AuthError>,
) -> Result<T, Failure> {
    if matches!(result, Err(AuthError::Denied(_))) {
        note_refusal(api, caller, method, uri.path()).await?;
    }
    Ok(result?)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    api.auth.remove_member(&caller, &project, number(&path, "mid")?).await?;
    Ok(StatusCode::OK)
}
