//! Reading the audit log.

use std::collections::HashMap;

use roadstead_model::{Permission, ProjectId};

use super::{Entry, Row, SELECT, entry};
use crate::filter::Condition;
use crate::tables::paged::{self, Slice};
use crate::tables::viewer::{HOLDS, Viewer};
use crate::{Conn, Query, Result};

/// The usual order, along which lists are walked without sorting.
pub const NEWEST_FIRST: [(&str, bool); 2] = [("a.at", true), ("a.id", true)];

/// Which part of the log somebody reads.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// All of it.
    Everything,
    /// What belongs to one project.
    Project(ProjectId),
    /// What belongs to the projects where the viewer has this permission.
    Where(Viewer, Permission),
}

fn narrowed<'c>(query: Query<'c>, part: Part, conditions: &[Condition]) -> Query<'c> {
    let query = query.push(" FROM audit_log a");
    let query = match part {
        Part::Everything => query.push(" WHERE 1 = 1"),
        Part::Project(id) => query.push(" WHERE a.project_id = $1").bind(id.0),
        Part::Where(viewer, permission) => {
            let (everything, principal, via) = viewer.parameters();
            query
                .push(" WHERE a.project_id IN (SELECT p.id FROM project p WHERE ")
                .push(HOLDS)
                .push(")")
                .bind(everything)
                .bind(principal)
                .bind(via)
                .bind(permission.resource.name())
                .bind(permission.action.name())
        }
    };
    query.narrowed(conditions)
}

/// Where in the log the rows are: when they were written, and their ids.
async fn keys(
    conn: &mut Conn,
    part: Part,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    slice: Slice,
) -> Result<Vec<(i64, i64)>> {
    narrowed(conn.query("SELECT a.at, a.id"), part, conditions)
        .ordered(order)
        .page(slice.limit, slice.offset)
        .fetch_all()
        .await
}

async fn rows(conn: &mut Conn, keys: Vec<(i64, i64)>) -> Result<Vec<Entry>> {
    let mut rows = HashMap::with_capacity(keys.len());
    for batch in keys.chunks(paged::BATCH) {
        let query = conn.query(SELECT).push(" WHERE a.id IN ");
        let found: Vec<Row> = query.push_list(batch.iter().map(|(_, id)| *id)).fetch_all().await?;
        rows.extend(found.into_iter().map(|row| (row.0, entry(row))));
    }
    Ok(paged::in_order(keys.into_iter().map(|(_, id)| id), rows))
}

/// Events, `limit` of them from `offset`; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    part: Part,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Entry>> {
    let keys = keys(conn, part, conditions, order, Slice { limit, offset }).await?;
    rows(conn, keys).await
}

/// How many events [`list`] has.
pub async fn count(conn: &mut Conn, part: Part, conditions: &[Condition]) -> Result<i64> {
    let query = narrowed(conn.query("SELECT COUNT(*)"), part, conditions);
    Ok(query.fetch_one::<(i64,)>().await?.0)
}

/// What [`list`] has, and how many there are in all. The connection should be a snapshot, so that
/// both belong together.
pub async fn page(
    conn: &mut Conn,
    part: Part,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    slice: Slice,
) -> Result<(i64, Vec<Entry>)> {
    if matches!(part, Part::Everything) && conditions.is_empty() && order == NEWEST_FIRST {
        return page_of_everything(conn, slice).await;
    }
    let keys = keys(conn, part, conditions, order, slice).await?;
    let total = match (slice.total(keys.len()), keys.first()) {
        (Some(total), _) => total,
        (None, Some((at, id))) if slice.offset > 0 && order == NEWEST_FIRST => {
            let behind = narrowed(conn.query("SELECT COUNT(*)"), part, conditions);
            let behind = behind.push(" AND a.at < ").push_bind(*at);
            let (behind,) = behind.fetch_one::<(i64,)>().await?;
            let beside = narrowed(conn.query("SELECT COUNT(*)"), part, conditions);
            let beside = beside.push(" AND a.at = ").push_bind(*at);
            let beside = beside.push(" AND a.id <= ").push_bind(*id);
            slice.offset + behind + beside.fetch_one::<(i64,)>().await?.0
        }
        (None, _) => count(conn, part, conditions).await?,
    };
    Ok((total, rows(conn, keys).await?))
}

/// A page of the whole log, looked for from the end that is nearer.
async fn page_of_everything(conn: &mut Conn, slice: Slice) -> Result<(i64, Vec<Entry>)> {
    let count = conn.query("SELECT COUNT(*) FROM audit_log");
    let (total,) = count.fetch_one::<(i64,)>().await?;
    let Slice { limit, offset } = slice;
    let limit = limit.min(total.saturating_sub(offset)).max(0);
    let newer = offset <= total / 2;
    let order = NEWEST_FIRST.map(|(column, descending)| (column, descending == newer));
    let offset = if newer { offset } else { total.saturating_sub(offset + limit).max(0) };
    let slice = Slice { limit, offset };
    let mut keys = keys(conn, Part::Everything, &[], &order, slice).await?;
    if !newer {
        keys.reverse();
    }
    Ok((total, rows(conn, keys).await?))
}
