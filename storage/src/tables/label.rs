//! Labels, of a project or of all of them, and the artifacts that carry them.

use std::collections::HashMap;

use roadstead_model::{ManifestId, ProjectId, Timestamp};

use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// How many artifacts one statement names.
const BATCH: usize = 500;

/// A label's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The id.
    pub id: i64,
    /// The project whose artifacts can carry it; None where all can.
    pub project: Option<ProjectId>,
    /// What it is called, once in a project and once among those of all projects.
    pub name: String,
    /// Free text.
    pub description: String,
    /// How it is shown, as clients write it.
    pub color: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a client can say of a label.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Free text.
    pub description: &'a str,
    /// How it is shown.
    pub color: &'a str,
}

type Row = (i64, Option<i64>, String, String, String, i64, i64);

macro_rules! columns {
    () => {
        "l.id, l.project_id, l.name, l.description, l.color, l.created_at, l.updated_at"
    };
}

const SELECT: &str = concat!("SELECT ", columns!(), " FROM label l WHERE ");

fn label((id, project, name, description, color, created, updated): Row) -> Label {
    Label {
        id,
        project: project.map(ProjectId),
        name,
        description,
        color,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

fn narrowed<'c>(
    query: Query<'c>,
    project: Option<ProjectId>,
    conditions: &[Condition],
) -> Query<'c> {
    let query = match project {
        None => query.push("l.project_id IS NULL"),
        Some(project) => query.push("l.project_id = ").push_bind(project.0),
    };
    query.narrowed(conditions)
}

/// A page of the labels of a project, or of those of all projects; `order` is (column,
/// descending).
pub async fn list(
    conn: &mut Conn,
    project: Option<ProjectId>,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Label>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(label).collect())
}

/// How many labels [`list`] has.
pub async fn count(
    conn: &mut Conn,
    project: Option<ProjectId>,
    conditions: &[Condition],
) -> Result<i64> {
    let query = conn.query("SELECT COUNT(*) FROM label l WHERE ");
    let (count,) = narrowed(query, project, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The label with this id.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<Label>> {
    let row: Option<Row> = conn.query(SELECT).push("l.id = $1").bind(id).fetch_optional().await?;
    Ok(row.map(label))
}

/// Makes a label.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the name is taken,
/// [`Error::Reference`](crate::Error::Reference) when the project is gone.
pub async fn insert(
    tx: &mut Tx,
    project: Option<ProjectId>,
    text: Text<'_>,
    now: Timestamp,
) -> Result<i64> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO label (project_id, name, description, color, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5) RETURNING id",
        )
        .bind(project.map(|project| project.0))
        .bind(text.name)
        .bind(text.description)
        .bind(text.color)
        .bind(now.0)
        .fetch_one()
        .await?;
    Ok(id)
}

/// Changes a label; false when it is gone.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the name is taken.
pub async fn update(tx: &mut Tx, id: i64, text: Text<'_>, now: Timestamp) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE label SET name = $1, description = $2, color = $3, updated_at = $4
             WHERE id = $5",
        )
        .bind(text.name)
        .bind(text.description)
        .bind(text.color)
        .bind(now.0)
        .bind(id)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Removes a label, also from every artifact that carries it; false when it is gone.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx.query("DELETE FROM label WHERE id = $1").bind(id).execute().await? == 1)
}

/// Gives an artifact of a project a label of that project, or one of all projects; false when
/// there is no such label.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when it carries the label already,
/// [`Error::Reference`](crate::Error::Reference) when the artifact is gone.
pub async fn attach(
    tx: &mut Tx,
    project: ProjectId,
    manifest: ManifestId,
    id: i64,
) -> Result<bool> {
    let made = tx
        .query(
            "INSERT INTO artifact_label (manifest_id, label_id)
             SELECT $1, l.id FROM label l
             WHERE l.id = $2 AND (l.project_id IS NULL OR l.project_id = $3)",
        )
        .bind(manifest.0)
        .bind(id)
        .bind(project.0)
        .execute()
        .await?;
    Ok(made == 1)
}

/// Takes a label from an artifact; false when it does not carry it.
pub async fn detach(tx: &mut Tx, manifest: ManifestId, id: i64) -> Result<bool> {
    let gone = tx
        .query("DELETE FROM artifact_label WHERE manifest_id = $1 AND label_id = $2")
        .bind(manifest.0)
        .bind(id)
        .execute()
        .await?;
    Ok(gone == 1)
}

/// The labels of some artifacts, by id; artifacts without any are left out.
pub async fn of_manifests(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<HashMap<ManifestId, Vec<Label>>> {
    type Carried = (i64, i64, Option<i64>, String, String, String, i64, i64);
    let mut all: HashMap<ManifestId, Vec<Label>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows: Vec<Carried> = conn
            .query(concat!(
                "SELECT a.manifest_id, ",
                columns!(),
                " FROM artifact_label a JOIN label l ON l.id = a.label_id WHERE a.manifest_id IN "
            ))
            .push_list(batch.iter().map(|id| id.0))
            .push(" ORDER BY a.manifest_id, l.id")
            .fetch_all()
            .await?;
        for (manifest, id, project, name, description, color, created, updated) in rows {
            let found = label((id, project, name, description, color, created, updated));
            all.entry(ManifestId(manifest)).or_default().push(found);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
