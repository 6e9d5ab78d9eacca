//! Lists of artifacts.

use std::collections::HashMap;

use roadstead_model::{ProjectId, RepositoryId};

use super::{Artifact, Row, SELECT, artifact};
use crate::filter::Condition;
use crate::tables::paged::{self, Slice, needs};
use crate::tables::viewer::{LISTS_REPOSITORY, Viewer, lists_all_of};
use crate::{Conn, Query, Result};

/// The usual order, along which lists are walked without sorting.
pub const NEWEST_FIRST: [(&str, bool); 2] = [("m.created_at", true), ("m.id", true)];

/// Which tags an artifact must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tagged<'a> {
    /// Any, or none.
    #[default]
    Whatever,
    /// One at least.
    Somehow,
    /// None.
    Not,
    /// One of this name.
    As(&'a str),
    /// One with this in its name.
    Like(&'a str),
}

/// What a list of artifacts is narrowed to.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Of one repository; otherwise of those of the project that the viewer may list.
    pub of: Of,
    /// Also what only indexes name.
    pub with_children: bool,
    /// By their tags.
    pub tagged: Tagged<'a>,
    /// What carries all of these labels.
    pub labels: &'a [i64],
    /// Only the one that was pushed last to each repository.
    pub latest_in_repository: bool,
    /// What else is asked for.
    pub conditions: &'a [Condition],
    /// (column, descending).
    pub order: &'a [(&'static str, bool)],
}

/// Whose artifacts.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// A repository's.
    Repository(RepositoryId),
    /// A project's.
    Project(ProjectId, Viewer),
}

fn tagged<'c>(query: Query<'c>, tagged: Tagged<'_>) -> Query<'c> {
    let one = "EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id";
    match tagged {
        Tagged::Whatever => query,
        Tagged::Somehow => query.push(" AND ").push(one).push(")"),
        Tagged::Not => query.push(" AND NOT ").push(one).push(")"),
        Tagged::As(name) => {
            query.push(" AND ").push(one).push(" AND t.name = ").push_bind(name).push(")")
        }
        Tagged::Like(part) => query.push(" AND ").push(one).containing("t.name", part).push(")"),
    }
}

/// Appends where the entries come from and what they are narrowed to: nothing is joined that is not
/// asked for, so that the walk needs the index alone. The query has no parameters yet.
fn narrowed<'c>(mut query: Query<'c>, filter: Filter<'_>, all_of_project: bool) -> Query<'c> {
    query = query.push(" FROM manifest m");
    if needs("r.", filter.conditions, filter.order) {
        query = query.push(" JOIN repository r ON r.id = m.repo_id");
    }
    if needs("u.", filter.conditions, filter.order) {
        query = query.push(" LEFT JOIN manifest_pull u ON u.manifest_id = m.id");
    }
    query = match filter.of {
        Of::Repository(repository) => query.push(" WHERE m.repo_id = $1").bind(repository.0),
        Of::Project(project, _) if all_of_project => {
            query.push(" WHERE m.project_id = $1").bind(project.0)
        }
        Of::Project(project, viewer) => {
            let (everything, principal, via) = viewer.parameters();
            query
                .push(
                    " WHERE m.project_id = $4 AND m.repo_id IN (SELECT r.id FROM repository r
                        JOIN project p ON p.id = r.project_id WHERE r.project_id = $4 AND ",
                )
                .push(LISTS_REPOSITORY)
                .push(")")
                .bind(everything)
                .bind(principal)
                .bind(via)
                .bind(project.0)
        }
    };
    query = query.push(if filter.with_children {
        " AND m.accessory_of IS NULL"
    } else {
        " AND m.listed = TRUE"
    });
    query = tagged(query, filter.tagged).narrowed(filter.conditions);
    for label in filter.labels {
        query = query
            .push(
                " AND EXISTS (SELECT 1 FROM artifact_label l WHERE l.manifest_id = m.id
                              AND l.label_id = ",
            )
            .push_bind(*label)
            .push(")");
    }
    if filter.latest_in_repository {
        query = query.push(
            " AND m.id = (SELECT l.id FROM manifest l
                WHERE l.repo_id = m.repo_id AND l.accessory_of IS NULL
                  AND l.media_type = m.media_type ORDER BY l.created_at DESC, l.id DESC LIMIT 1)",
        );
    }
    query
}

/// Artifacts that the filter asks for, and how many there are in all. The connection should be a
/// snapshot, so that both belong together.
pub async fn page(
    conn: &mut Conn,
    filter: Filter<'_>,
    slice: Slice,
) -> Result<(i64, Vec<Artifact>)> {
    let all = match filter.of {
        Of::Repository(_) => false,
        Of::Project(project, viewer) => lists_all_of(conn, viewer, project).await?,
    };
    let keys: Vec<(i64, i64)> = narrowed(conn.query("SELECT m.created_at, m.id"), filter, all)
        .ordered(filter.order)
        .page(slice.limit, slice.offset)
        .fetch_all()
        .await?;
    let total = match (slice.total(keys.len()), keys.first()) {
        (Some(total), _) => total,
        (None, Some((at, id))) if slice.offset > 0 && filter.order == NEWEST_FIRST => {
            let behind = narrowed(conn.query("SELECT COUNT(*)"), filter, all);
            let behind = behind.push(" AND m.created_at < ").push_bind(*at);
            let (behind,) = behind.fetch_one::<(i64,)>().await?;
            let beside = narrowed(conn.query("SELECT COUNT(*)"), filter, all);
            let beside = beside.push(" AND m.created_at = ").push_bind(*at);
            let beside = beside.push(" AND m.id <= ").push_bind(*id);
            slice.offset + behind + beside.fetch_one::<(i64,)>().await?.0
        }
        (None, _) => {
            narrowed(conn.query("SELECT COUNT(*)"), filter, all).fetch_one::<(i64,)>().await?.0
        }
    };
    let mut rows = HashMap::with_capacity(keys.len());
    for batch in keys.chunks(paged::BATCH) {
        let query = conn.query(SELECT).push(" WHERE m.id IN ");
        let found: Vec<Row> = query.push_list(batch.iter().map(|(_, id)| *id)).fetch_all().await?;
        rows.extend(found.into_iter().map(|row| (row.0, artifact(row))));
    }
    Ok((total, paged::in_order(keys.into_iter().map(|(_, id)| id), rows)))
}
