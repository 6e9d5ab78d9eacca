//! Raising events: rows for those who want to be told, in the transaction of what happened.
//!
//! Whoever raises an event shares or has the project's row, so that policies and targets stay.

use roadstead_model::webhook::{Event, EventType, Repository, delivery_id};
use roadstead_model::{ManifestId, ProjectId, RepositoryId, RepositoryName, Timestamp};

use super::Status;
use crate::{Conn, Error, Query, Result, Tx};

/// How many rows one statement inserts.
const CHUNK: usize = 100;

/// Not while an administrator has switched webhooks off.
const SWITCHED_ON: &str = " AND NOT EXISTS (SELECT 1 FROM setting
        WHERE name = 'config.notification_enable' AND value = 'false')";

/// A target that wants to be told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its policy.
    pub policy: i64,
    /// The target.
    pub target: i64,
    /// `http` or `slack`.
    pub kind: String,
}

/// Who wants to be told of an event in a project.
pub async fn listeners(
    conn: &mut Conn,
    project: ProjectId,
    event: EventType,
) -> Result<Vec<Listener>> {
    let rows: Vec<(i64, i64, String)> = conn
        .query(
            "SELECT p.id, t.id, t.kind FROM webhook_policy p
             JOIN webhook_target t ON t.policy_id = p.id
             WHERE p.project_id = $1 AND p.enabled = $2
               AND ',' || p.event_types || ',' LIKE $3",
        )
        .push(SWITCHED_ON)
        .push(" ORDER BY p.id, t.position")
        .bind(project.0)
        .bind(true)
        .bind(pattern(event))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(policy, target, kind)| Listener { policy, target, kind }).collect())
}

/// The projects where somebody wants to be told of an event.
pub async fn projects_with(conn: &mut Conn, event: EventType) -> Result<Vec<ProjectId>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT DISTINCT p.project_id FROM webhook_policy p
             WHERE p.enabled = $1 AND ',' || p.event_types || ',' LIKE $2",
        )
        .push(SWITCHED_ON)
        .bind(true)
        .bind(pattern(event))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| ProjectId(id)).collect())
}

/// The words are the program's own, so nothing in them has to be escaped but `_`, which does no
/// harm.
fn pattern(event: EventType) -> String {
    format!("%,{},%", event.name())
}

/// Writes what is to be told, a row for each event and listener; returns their ids.
pub async fn insert(
    tx: &mut Tx,
    listeners: &[Listener],
    events: &[Event],
    now: Timestamp,
) -> Result<Vec<i64>> {
    let mut rows = Vec::with_capacity(listeners.len() * events.len());
    for event in events {
        let text = serde_json::to_string(event)
            .map_err(|error| Error::inconsistent("webhook_delivery", error))?;
        rows.extend(listeners.iter().map(|listener| (listener, event.kind, text.clone())));
    }
    let mut ids = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(CHUNK) {
        let mut query = tx.query(
            "INSERT INTO webhook_delivery (uid, policy_id, target_id, kind, event_type, event,
                 status, next_at, created_at, updated_at) VALUES ",
        );
        let mut separator = "(";
        for (listener, kind, text) in chunk {
            query = row(query.push(separator), listener, *kind, text, now);
            separator = ", (";
        }
        let made: Vec<(i64,)> = query.push(" RETURNING id").fetch_all().await?;
        ids.extend(made.into_iter().map(|(id,)| id));
    }
    Ok(ids)
}

fn row<'c>(
    query: Query<'c>,
    listener: &Listener,
    kind: EventType,
    text: &str,
    now: Timestamp,
) -> Query<'c> {
    let query = query.push_bind(delivery_id()).push(", ").push_bind(listener.policy).push(", ");
    let query = query.push_bind(listener.target).push(", ").push_bind(listener.kind.clone());
    let query = query.push(", ").push_bind(kind.name()).push(", ").push_bind(text.to_owned());
    let query = query.push(", ").push_bind(Status::Pending.name()).push(", ").push_bind(now.0);
    query.push(", ").push_bind(now.0).push(", ").push_bind(now.0).push(")")
}

/// Tells whoever wants to be told of an event in a project.
pub async fn raise(tx: &mut Tx, project: ProjectId, event: &Event, now: Timestamp) -> Result<()> {
    let listeners = listeners(tx, project, event.kind).await?;
    if !listeners.is_empty() {
        insert(tx, &listeners, std::slice::from_ref(event), now).await?;
    }
    Ok(())
}

/// A repository, which may not exist, as events describe it.
pub async fn repository(conn: &mut Conn, name: &RepositoryName) -> Result<Repository> {
    let row: Option<(bool, Option<i64>)> = conn
        .query(
            "SELECT p.public, r.created_at FROM project p
             LEFT JOIN repository r ON r.project_id = p.id AND r.name = $2 WHERE p.name = $1",
        )
        .bind(name.project())
        .bind(name.as_str())
        .fetch_optional()
        .await?;
    let (public, created) = row.unwrap_or_default();
    let below = super::super::binding::below_project(name.as_str());
    Ok(Repository {
        date_created: created.map_or(0, |at| Timestamp(at).seconds()),
        name: below.to_owned(),
        namespace: name.project().to_owned(),
        repo_full_name: name.to_string(),
        repo_type: if public { "public" } else { "private" }.to_owned(),
    })
}

/// The manifests of a repository, or one of them: the digest, and the oldest tag.
pub async fn artifacts(
    conn: &mut Conn,
    repository: RepositoryId,
    one: Option<ManifestId>,
) -> Result<Vec<(String, Option<String>)>> {
    let mut query = conn
        .query(
            "SELECT m.digest, (SELECT t.name FROM tag t WHERE t.manifest_id = m.id
                               ORDER BY t.created_at, t.name LIMIT 1)
             FROM manifest m WHERE m.repo_id = $1",
        )
        .bind(repository.0);
    if let Some(id) = one {
        query = query.push(" AND m.id = ").push_bind(id.0);
    }
    query.push(" ORDER BY m.id").fetch_all().await
}
