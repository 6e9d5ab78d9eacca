//! Tasks of retention: one for each repository of an execution.

use roadstead_model::{ProjectId, RepositoryId, Timestamp};

use crate::tables::execution::Status;
use crate::{Conn, Result, Tx};

/// A task's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The id.
    pub id: i64,
    /// Its execution.
    pub execution: i64,
    /// The repository, which may be gone.
    pub repository: RepositoryId,
    /// Its whole name.
    pub repository_name: String,
    /// The name of a [`Status`]; that of its execution, where that ended first.
    pub status: String,
    /// How many artifacts were looked at.
    pub total: i64,
    /// How many of them stay.
    pub retained: i64,
    /// What else is to be said, for people.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

type Row = (i64, i64, i64, String, String, i64, i64, String, i64, Option<i64>);

/// A task that nobody goes on with has no state of its own.
const SELECT: &str = "SELECT t.id, t.execution_id, t.repo_id, t.repository,
        CASE WHEN t.status IN ('Pending', 'Running') AND e.status NOT IN ('Pending', 'Running')
             THEN e.status ELSE t.status END,
        t.total, t.retained, t.note, t.created_at, t.ended_at
     FROM retention_task t JOIN execution e ON e.id = t.execution_id WHERE t.execution_id = $1";

fn task(row: Row) -> Task {
    let (id, execution, repository, repository_name, status, total, retained, note, ..) = row;
    Task {
        id,
        execution,
        repository: RepositoryId(repository),
        repository_name,
        status,
        total,
        retained,
        note,
        created_at: Timestamp(row.8),
        ended_at: row.9.map(Timestamp),
    }
}

/// The repositories with content of a project, by name.
pub async fn repositories(
    conn: &mut Conn,
    project: ProjectId,
) -> Result<Vec<(RepositoryId, String)>> {
    let rows: Vec<(i64, String)> = conn
        .query(
            "SELECT r.id, r.name FROM repository r WHERE r.project_id = $1
               AND EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = r.id) ORDER BY r.name",
        )
        .bind(project.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, name)| (RepositoryId(id), name)).collect())
}

/// Adds a task that nobody has begun.
pub async fn insert(
    tx: &mut Tx,
    execution: i64,
    (repository, name): (RepositoryId, &str),
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO retention_task
             (execution_id, repo_id, repository, status, total, retained, note, created_at)
         VALUES ($1, $2, $3, $4, 0, 0, '', $5)",
    )
    .bind(execution)
    .bind(repository.0)
    .bind(name)
    .bind(Status::Pending.name())
    .bind(now.0)
    .execute()
    .await?;
    Ok(())
}

/// Removes the tasks of an execution, to make them anew.
pub async fn remove_all(tx: &mut Tx, execution: i64) -> Result<()> {
    tx.query("DELETE FROM retention_task WHERE execution_id = $1")
        .bind(execution)
        .execute()
        .await?;
    Ok(())
}

/// The first task that has not ended.
pub async fn next(conn: &mut Conn, execution: i64) -> Result<Option<Task>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" AND t.status IN ($2, $3) ORDER BY t.id LIMIT 1")
        .bind(execution)
        .bind(Status::Pending.name())
        .bind(Status::Running.name())
        .fetch_optional()
        .await?;
    Ok(row.map(task))
}

/// A task of an execution.
pub async fn find(conn: &mut Conn, execution: i64, id: i64) -> Result<Option<Task>> {
    let query = conn.query(SELECT).push(" AND t.id = $2").bind(execution).bind(id);
    Ok(query.fetch_optional::<Row>().await?.map(task))
}

/// A page of the tasks of an execution.
pub async fn list(conn: &mut Conn, execution: i64, limit: i64, offset: i64) -> Result<Vec<Task>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .bind(execution)
        .ordered(&[("t.id", false)])
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(task).collect())
}

/// How many tasks an execution has.
pub async fn count(conn: &mut Conn, execution: i64) -> Result<i64> {
    let query = conn.query("SELECT COUNT(*) FROM retention_task WHERE execution_id = $1");
    let (count,): (i64,) = query.bind(execution).fetch_one().await?;
    Ok(count)
}

/// Whether a task of an execution failed.
pub async fn has_failed(conn: &mut Conn, execution: i64) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT id FROM retention_task WHERE execution_id = $1 AND status = $2 LIMIT 1")
        .bind(execution)
        .bind(Status::Error.name())
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Notes that everything is decided in a task, and how many artifacts it is about.
pub async fn begin(tx: &mut Tx, id: i64, total: i64, note: &str) -> Result<()> {
    tx.query(
        "UPDATE retention_task SET status = $1, total = $2, retained = $2, note = $3 WHERE id = $4",
    )
    .bind(Status::Running.name())
    .bind(total)
    .bind(note)
    .bind(id)
    .execute()
    .await?;
    Ok(())
}

/// Ends a task: what was deleted, or in a dry run would be, is not retained.
pub async fn finish(
    tx: &mut Tx,
    id: i64,
    status: Status,
    note: &str,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "UPDATE retention_task SET status = $1, ended_at = $2, note = note || $3,
             retained = total - (SELECT COUNT(*) FROM retention_verdict v
                 WHERE v.task_id = retention_task.id AND v.verdict = 'DEL')
         WHERE id = $4",
    )
    .bind(status.name())
    .bind(now.0)
    .bind(note)
    .bind(id)
    .execute()
    .await?;
    Ok(())
}
