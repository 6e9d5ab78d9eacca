//! Projects, and who may do what in them.

use roadstead_model::{
    Action, PrincipalId, ProjectId, ProjectName, RepositoryId, RepositoryName, Resource, RoleId,
    Timestamp,
};

use crate::filter::containing;
use crate::{Conn, Result, Tx};

/// A project's row.
#[derive(Clone, Debug)]
pub struct Project {
    /// The id, never given to another.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub owner: PrincipalId,
    /// That principal's name.
    pub owner_name: String,
    /// Whether everybody may pull.
    pub public: bool,
    /// How many repositories it has.
    pub repositories: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (i64, String, i64, String, bool, i64, i64, i64);

const SELECT: &str = "SELECT p.id, p.name, p.owner_id, o.name, p.public,
            (SELECT COUNT(*) FROM repository r WHERE r.project_id = p.id
                AND EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = r.id)),
            p.created_at, p.updated_at
     FROM project p JOIN principal o ON o.id = p.owner_id";

fn project(row: Row) -> Project {
    let (id, name, owner, owner_name, public, repositories, created, updated) = row;
    Project {
        id: ProjectId(id),
        name,
        owner: PrincipalId(owner),
        owner_name,
        public,
        repositories,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// Makes a project with `quota` bytes of storage (-1: unlimited) and its owner as project admin.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the name is taken.
pub async fn insert(
    tx: &mut Tx,
    name: &ProjectName,
    owner: PrincipalId,
    public: bool,
    quota: i64,
    now: Timestamp,
) -> Result<ProjectId> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO project (name, owner_id, public, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4) RETURNING id",
        )
        .bind(name.as_str())
        .bind(owner.0)
        .bind(public)
        .bind(now.0)
        .fetch_one()
        .await?;
    tx.query("INSERT INTO project_usage (project_id, used, quota) VALUES ($1, 0, $2)")
        .bind(id)
        .bind(quota)
        .execute()
        .await?;
    tx.query(
        "INSERT INTO project_member (project_id, principal_id, role_id, created_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(id)
    .bind(owner.0)
    .bind(RoleId::PROJECT_ADMIN.0)
    .bind(now.0)
    .execute()
    .await?;
    Ok(ProjectId(id))
}

/// The project with this name.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<Project>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE p.name = $1").bind(name).fetch_optional().await?;
    Ok(row.map(project))
}

/// The project with this id.
pub async fn find_by_id(conn: &mut Conn, id: ProjectId) -> Result<Option<Project>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE p.id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(project))
}

/// Whose projects a list shows.
#[derive(Clone, Copy, Debug)]
pub enum Viewer {
    /// All of them.
    Everything,
    /// The public ones, and those that this principal is a member of.
    Principal(PrincipalId),
    /// The public ones.
    Anonymous,
}

impl Viewer {
    /// (sees everything, principal id or one that nobody has)
    pub(super) fn parameters(self) -> (bool, i64) {
        match self {
            Self::Everything => (true, 0),
            Self::Principal(id) => (false, id.0),
            Self::Anonymous => (false, 0),
        }
    }
}

/// What a list of projects is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Part of the name.
    pub name: Option<&'a str>,
    /// The owner's name.
    pub owner: Option<&'a str>,
    /// Public ones, or private ones.
    pub public: Option<bool>,
}

const VISIBLE: &str = " WHERE ($1 OR p.public OR EXISTS (SELECT 1 FROM project_member m
        WHERE m.project_id = p.id AND m.principal_id = $2))";

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    viewer: Viewer,
    filter: Filter<'_>,
) -> crate::Query<'c> {
    let (everything, principal) = viewer.parameters();
    let mut query = conn.query(select).push(VISIBLE).bind(everything).bind(principal);
    if let Some(name) = filter.name {
        query = query.push(" AND p.name LIKE ").push_bind(containing(name)).push(" ESCAPE '\\'");
    }
    if let Some(owner) = filter.owner {
        query = query.push(" AND o.name = ").push_bind(owner);
    }
    if let Some(public) = filter.public {
        query = query.push(" AND p.public = ").push_bind(public);
    }
    query
}

/// The projects that the viewer can see, by name; `limit` rows from `offset`.
pub async fn list(
    conn: &mut Conn,
    viewer: Viewer,
    filter: Filter<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Project>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, viewer, filter)
        .push(" ORDER BY p.name LIMIT ")
        .push_bind(limit)
        .push(" OFFSET ")
        .push_bind(offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(project).collect())
}

/// How many projects the viewer can see.
pub async fn count(conn: &mut Conn, viewer: Viewer, filter: Filter<'_>) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM project p JOIN principal o ON o.id = p.owner_id";
    let (count,) = narrowed(conn, select, viewer, filter).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// Where a repository name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: ProjectId,
    /// Whether everybody may pull.
    pub public: bool,
    /// The repository, if anything was ever pushed to it.
    pub repository: Option<RepositoryId>,
}

/// Resolves a repository's name to ids; None when its project does not exist.
pub async fn place(conn: &mut Conn, name: &RepositoryName) -> Result<Option<Place>> {
    let row: Option<(i64, bool, Option<i64>)> = conn
        .query(
            "SELECT p.id, p.public, r.id FROM project p
             LEFT JOIN repository r ON r.project_id = p.id AND r.name = $2 WHERE p.name = $1",
        )
        .bind(name.project())
        .bind(name.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(|(project, public, repository)| Place {
        project: ProjectId(project),
        public,
        repository: repository.map(RepositoryId),
    }))
}

/// The actions on `resource` that the principal's roles in the project allow, and, when it is
/// public, everybody's.
pub async fn actions(
    conn: &mut Conn,
    project: ProjectId,
    public: bool,
    principal: Option<PrincipalId>,
    resource: Resource,
) -> Result<Vec<Action>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT DISTINCT action FROM role_permission WHERE resource = $1
               AND (($2 AND role_id = $3) OR role_id IN (SELECT role_id FROM project_member
                     WHERE project_id = $4 AND principal_id = $5))",
        )
        .bind(resource.name())
        .bind(public)
        .bind(RoleId::PUBLIC.0)
        .bind(project.0)
        .bind(principal.map_or(0, |id| id.0))
        .fetch_all()
        .await?;
    Ok(rows.iter().filter_map(|(name,)| Action::named(name)).collect())
}

/// The ids of the roles that the principal has in the project.
pub async fn roles_of(
    conn: &mut Conn,
    project: ProjectId,
    principal: PrincipalId,
) -> Result<Vec<RoleId>> {
    let rows: Vec<(i64,)> = conn
        .query("SELECT role_id FROM project_member WHERE project_id = $1 AND principal_id = $2")
        .bind(project.0)
        .bind(principal.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| RoleId(id)).collect())
}
