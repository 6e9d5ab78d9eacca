//! Lists of the tags of an artifact.

use std::collections::HashMap;

use roadstead_model::{ManifestId, RepositoryId};

use super::{TAGGING, Tagging, TaggingRow, tagging};
use crate::filter::Condition;
use crate::tables::paged::{self, Slice, needs};
use crate::{Conn, Query, Result};

/// The usual order, along which lists are walked without sorting.
pub const NEWEST_FIRST: [(&str, bool); 2] = [("t.updated_at", true), ("t.name", false)];

fn narrowed<'c>(
    mut query: Query<'c>,
    id: ManifestId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
) -> Query<'c> {
    query = query.push(" FROM tag t");
    if needs("u.", conditions, order) {
        query = query.push(" LEFT JOIN tag_pull u ON u.repo_id = t.repo_id AND u.name = t.name");
    }
    query.push(" WHERE t.manifest_id = $1").bind(id.0).narrowed(conditions)
}

/// The tags of a manifest that conditions ask for, and how many there are in all. The connection
/// should be a snapshot, so that both belong together.
pub async fn page_of_manifest(
    conn: &mut Conn,
    (repository, id): (RepositoryId, ManifestId),
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    slice: Slice,
) -> Result<(i64, Vec<Tagging>)> {
    let select = conn.query("SELECT t.updated_at, t.name");
    let keys: Vec<(i64, String)> = narrowed(select, id, conditions, order)
        .ordered(order)
        .page(slice.limit, slice.offset)
        .fetch_all()
        .await?;
    let total = match (slice.total(keys.len()), keys.first()) {
        (Some(total), _) => total,
        (None, Some((at, name))) if slice.offset > 0 && order == NEWEST_FIRST => {
            let behind = narrowed(conn.query("SELECT COUNT(*)"), id, conditions, order);
            let behind = behind.push(" AND t.updated_at < ").push_bind(*at);
            let (behind,) = behind.fetch_one::<(i64,)>().await?;
            let beside = narrowed(conn.query("SELECT COUNT(*)"), id, conditions, order);
            let beside = beside.push(" AND t.updated_at = ").push_bind(*at);
            let beside = beside.push(" AND t.name >= ").push_bind(name.clone());
            slice.offset + behind + beside.fetch_one::<(i64,)>().await?.0
        }
        (None, _) => {
            let all = narrowed(conn.query("SELECT COUNT(*)"), id, conditions, order);
            all.fetch_one::<(i64,)>().await?.0
        }
    };
    let mut rows = HashMap::with_capacity(keys.len());
    for batch in keys.chunks(paged::BATCH) {
        let found: Vec<TaggingRow> = conn
            .query(TAGGING)
            .push(" WHERE t.repo_id = $1 AND t.name IN ")
            .bind(repository.0)
            .push_list(batch.iter().map(|(_, name)| name.clone()))
            .fetch_all()
            .await?;
        rows.extend(found.into_iter().map(|row| (row.1.clone(), tagging(row))));
    }
    Ok((total, paged::in_order(keys.into_iter().map(|(_, name)| name), rows)))
}
