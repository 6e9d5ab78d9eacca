//! Lists of repositories.

use std::collections::HashMap;

use roadstead_model::ProjectId;

use super::{FROM, IS_SHOWN, Repository, Row, SELECT, UPDATED_AT, repository};
use crate::filter::Condition;
use crate::tables::paged::{self, Slice};
use crate::tables::viewer::{LISTS_AMONG, Viewer, lists_all_of};
use crate::{Conn, Query, Result};

/// The usual order, along which lists are walked without sorting.
pub const NEWEST_FIRST: [(&str, bool); 2] = [("r.created_at", true), ("r.id", true)];

/// What a list of repositories is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// In one project.
    pub project: Option<ProjectId>,
    /// Part of the name; empty for all.
    pub name: &'a str,
    /// Those that have the blob with this digest.
    pub blob: Option<&'a str>,
    /// What else is asked for.
    pub conditions: &'a [Condition],
    /// (column, descending).
    pub order: &'a [(&'static str, bool)],
}

/// Whether none of the repositories that the filter asks for is hidden from the viewer.
async fn sees_all(conn: &mut Conn, viewer: Viewer, filter: Filter<'_>) -> Result<bool> {
    match filter.project {
        Some(project) => lists_all_of(conn, viewer, project).await,
        None => Ok(viewer.everything && viewer.via.is_none()),
    }
}

fn narrowed<'c>(query: Query<'c>, hidden_from: Option<Viewer>, filter: Filter<'_>) -> Query<'c> {
    let mut query = query.push(" FROM repository r WHERE ");
    if let Some(viewer) = hidden_from {
        let (everything, principal, via) = viewer.parameters();
        query = query.push(LISTS_AMONG).push(" AND ");
        query = query.bind(everything).bind(principal).bind(via);
    }
    query = query.push(IS_SHOWN);
    if let Some(project) = filter.project {
        query = query.push(" AND r.project_id = ").push_bind(project.0);
    }
    if !filter.name.is_empty() {
        query = query.containing("r.name", filter.name);
    }
    if let Some(digest) = filter.blob {
        query = query
            .push(
                " AND EXISTS (SELECT 1 FROM repo_blob l JOIN blob b ON b.id = l.blob_id
                              WHERE l.repo_id = r.id AND b.digest = ",
            )
            .push_bind(digest)
            .push(")");
    }
    query.narrowed(filter.conditions)
}

/// Where in the list its rows are: when they were made, and their ids.
async fn keys(
    conn: &mut Conn,
    hidden_from: Option<Viewer>,
    filter: Filter<'_>,
    slice: Slice,
) -> Result<Vec<(i64, i64)>> {
    narrowed(conn.query("SELECT r.created_at, r.id"), hidden_from, filter)
        .ordered(filter.order)
        .page(slice.limit, slice.offset)
        .fetch_all()
        .await
}

async fn rows(conn: &mut Conn, keys: Vec<(i64, i64)>) -> Result<Vec<Repository>> {
    let mut rows = HashMap::with_capacity(keys.len());
    for batch in keys.chunks(paged::BATCH) {
        let query = conn.query(SELECT).push(UPDATED_AT).push(FROM).push(" WHERE r.id IN ");
        let found: Vec<Row> = query.push_list(batch.iter().map(|(_, id)| *id)).fetch_all().await?;
        rows.extend(found.into_iter().map(|row| (row.0, repository(row))));
    }
    Ok(paged::in_order(keys.into_iter().map(|(_, id)| id), rows))
}

/// Repositories with content, or that had some, that the viewer may list; `limit` rows from `offset`.
pub async fn list(
    conn: &mut Conn,
    viewer: Viewer,
    filter: Filter<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Repository>> {
    let hidden_from = (!sees_all(conn, viewer, filter).await?).then_some(viewer);
    let keys = keys(conn, hidden_from, filter, Slice { limit, offset }).await?;
    rows(conn, keys).await
}

/// How many repositories [`list`] has.
pub async fn count(conn: &mut Conn, viewer: Viewer, filter: Filter<'_>) -> Result<i64> {
    let hidden_from = (!sees_all(conn, viewer, filter).await?).then_some(viewer);
    let query = narrowed(conn.query("SELECT COUNT(*)"), hidden_from, filter);
    Ok(query.fetch_one::<(i64,)>().await?.0)
}

/// What [`list`] has, and how many there are in all. The connection should be a snapshot, so that
/// both belong together.
pub async fn page(
    conn: &mut Conn,
    viewer: Viewer,
    filter: Filter<'_>,
    slice: Slice,
) -> Result<(i64, Vec<Repository>)> {
    let hidden_from = (!sees_all(conn, viewer, filter).await?).then_some(viewer);
    let keys = keys(conn, hidden_from, filter, slice).await?;
    let total = match (slice.total(keys.len()), keys.first()) {
        (Some(total), _) => total,
        (None, Some((at, id))) if slice.offset > 0 && filter.order == NEWEST_FIRST => {
            let behind = narrowed(conn.query("SELECT COUNT(*)"), hidden_from, filter);
            let behind = behind.push(" AND r.created_at < ").push_bind(*at);
            let (behind,) = behind.fetch_one::<(i64,)>().await?;
            let beside = narrowed(conn.query("SELECT COUNT(*)"), hidden_from, filter);
            let beside = beside.push(" AND r.created_at = ").push_bind(*at);
            let beside = beside.push(" AND r.id <= ").push_bind(*id);
            slice.offset + behind + beside.fetch_one::<(i64,)>().await?.0
        }
        (None, _) => {
            let all = narrowed(conn.query("SELECT COUNT(*)"), hidden_from, filter);
            all.fetch_one::<(i64,)>().await?.0
        }
    };
    Ok((total, rows(conn, keys).await?))
}
