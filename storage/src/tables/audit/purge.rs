//! Old events, which administrators have deleted. What waits to be forwarded stays.

use roadstead_model::Timestamp;

use crate::{Conn, Query, Result, Tx};

/// Which events are to go: those of these types (`create_artifact`) that are older than a moment.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The types; with none of them nothing goes.
    pub types: Vec<String>,
    /// The moment.
    pub before: Timestamp,
}

/// A place in the log, by time; the next batch begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    at: i64,
    id: i64,
}

impl Position {
    /// Before every event.
    pub const START: Self = Self { at: i64::MIN, id: i64::MIN };
}

const OLD: &str = " FROM audit_log WHERE at < $1 AND NOT pending";

fn selected<'c>(conn: &'c mut Conn, select: &'static str, selection: &Selection) -> Query<'c> {
    conn.query(select)
        .push(OLD)
        .bind(selection.before.0)
        .push(" AND operation || '_' || resource_type IN ")
        .push_list(selection.types.iter().map(String::as_str))
}

/// How many events a selection has.
pub async fn count(conn: &mut Conn, selection: &Selection) -> Result<i64> {
    let (count,) = selected(conn, "SELECT COUNT(*)", selection).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The oldest events of a selection behind a position, and the position of the last of them.
pub async fn batch(
    conn: &mut Conn,
    selection: &Selection,
    behind: Position,
    limit: i64,
) -> Result<(Vec<i64>, Position)> {
    let rows: Vec<(i64, i64)> = selected(conn, "SELECT at, id", selection)
        .push(" AND at >= ")
        .push_bind(behind.at)
        .push(" AND (at > ")
        .push_bind(behind.at)
        .push(" OR id > ")
        .push_bind(behind.id)
        .push(") ORDER BY at, id LIMIT ")
        .push_bind(limit)
        .fetch_all()
        .await?;
    let last = rows.last().map_or(behind, |(at, id)| Position { at: *at, id: *id });
    Ok((rows.into_iter().map(|(_, id)| id).collect(), last))
}

/// Deletes events; returns how many there were.
pub async fn remove(tx: &mut Tx, ids: &[i64]) -> Result<u64> {
    tx.query("DELETE FROM audit_log WHERE NOT pending AND id IN ")
        .push_list(ids.iter().copied())
        .execute()
        .await
}
