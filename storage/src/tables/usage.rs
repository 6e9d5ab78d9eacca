//! Storage accounting of projects, and its limit. The guard is in the statement that counts, so
//! that no race can pass it.

use roadstead_model::{BlobId, Digest, ProjectId, Timestamp};

use crate::{Conn, Error, Query, Result, Tx};

/// The part of a quota, in percent, that is worth a warning when it is reached.
const WARNING_PERCENT: i64 = 85;

/// A project's usage.
#[derive(Clone, Debug)]
pub struct Usage {
    /// The project.
    pub project: ProjectId,
    /// Its name.
    pub project_name: String,
    /// The owner's name.
    pub owner_name: String,
    /// In bytes.
    pub used: i64,
    /// In bytes; -1 is unlimited.
    pub quota: i64,
    /// When the project was made.
    pub created_at: Timestamp,
    /// When the quota was changed last.
    pub updated_at: Timestamp,
}

/// A project came so near to its quota that somebody should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// In bytes.
    pub used: i64,
    /// In bytes.
    pub quota: i64,
}

/// Quotas bind unless an administrator has switched them off.
const UNENFORCED: &str = " OR EXISTS (SELECT 1 FROM setting
        WHERE name = 'config.quota_per_project_enable' AND value = 'false')";

/// Counts bytes in a project, or with a negative number uncounts them.
///
/// # Errors
/// [`Error::OverQuota`] when there would be more than the quota; nothing is counted then.
pub async fn add(tx: &mut Tx, project: ProjectId, bytes: i64) -> Result<Option<Warning>> {
    let row: Option<(i64, i64)> = tx
        .query(
            "UPDATE project_usage SET used = used + $2
             WHERE project_id = $1 AND ($2 <= 0 OR quota < 0 OR used + $2 <= quota",
        )
        .push(UNENFORCED)
        .push(") RETURNING used, quota")
        .bind(project.0)
        .bind(bytes)
        .fetch_optional()
        .await?;
    let Some((used, quota)) = row else {
        let (used, quota) = numbers(tx, project).await?.ok_or(Error::Reference)?;
        return Err(Error::OverQuota { used, requested: bytes, quota });
    };
    let mark = |used: i64| used.saturating_mul(100) >= quota.saturating_mul(WARNING_PERCENT);
    let crossed = quota > 0 && bytes > 0 && mark(used) && !mark(used - bytes);
    Ok(crossed.then_some(Warning { used, quota }))
}

async fn numbers(conn: &mut Conn, project: ProjectId) -> Result<Option<(i64, i64)>> {
    conn.query("SELECT used, quota FROM project_usage WHERE project_id = $1")
        .bind(project.0)
        .fetch_optional()
        .await
}

/// Requires that a project is not full, so that pushing to it can lead anywhere: a manifest needs
/// some bytes. While something in it is damaged, a push may be one that heals.
///
/// # Errors
/// [`Error::OverQuota`].
pub async fn require_any_room(conn: &mut Conn, project: ProjectId) -> Result<()> {
    let row: Option<(i64, i64)> = conn
        .query(
            "SELECT used, quota FROM project_usage WHERE project_id = $1
             AND NOT (quota < 0 OR used < quota",
        )
        .push(UNENFORCED)
        .push(
            ") AND NOT EXISTS (SELECT 1 FROM project_blob h JOIN blob b ON b.id = h.blob_id
                              WHERE h.project_id = $1 AND b.state <> 'ok')",
        )
        .bind(project.0)
        .fetch_optional()
        .await?;
    match row {
        None => Ok(()),
        Some((used, quota)) => Err(Error::OverQuota { used, requested: 0, quota }),
    }
}

/// Whether a blob of at least `bytes` bytes has room in a project, as far as can be known before
/// it has arrived: content that the project holds already costs nothing. With a digest it is
/// known which blob that is; without one, any of that size or larger could be it. Returns whether
/// the project has a limit.
///
/// # Errors
/// [`Error::OverQuota`].
pub async fn require_room(
    conn: &mut Conn,
    project: ProjectId,
    bytes: i64,
    digest: Option<&Digest>,
) -> Result<bool> {
    let row: Option<(i64, i64, i32)> = conn
        .query("SELECT used, quota, CASE WHEN $2 <= 0 OR quota < 0 OR used + $2 <= quota")
        .push(UNENFORCED)
        .push(" THEN 1 ELSE 0 END FROM project_usage WHERE project_id = $1")
        .bind(project.0)
        .bind(bytes)
        .fetch_optional()
        .await?;
    let (used, quota) = match row {
        Some((used, quota, 0)) => (used, quota),
        Some((_, quota, _)) => return Ok(quota >= 0),
        None => return Ok(true),
    };
    let held: Option<(i64,)> = conn
        .query(
            "SELECT b.id FROM project_blob h JOIN blob b ON b.id = h.blob_id
             WHERE h.project_id = $1 AND (b.digest = $2 OR ($2 = '' AND b.size >= $3)) LIMIT 1",
        )
        .bind(project.0)
        .bind(digest.map_or("", Digest::as_str))
        .bind(bytes)
        .fetch_optional()
        .await?;
    match held.map(|(id,)| BlobId(id)) {
        Some(_) => Ok(true),
        None => Err(Error::OverQuota { used, requested: bytes, quota }),
    }
}

type Row = (i64, String, String, i64, i64, i64, i64);

const SELECT: &str = "SELECT u.project_id, p.name, o.name, u.used, u.quota, p.created_at,
            CASE WHEN u.updated_at = 0 THEN p.created_at ELSE u.updated_at END
     FROM project_usage u JOIN project p ON p.id = u.project_id
     JOIN principal o ON o.id = p.owner_id";

fn usage(row: Row) -> Usage {
    let (project, project_name, owner_name, used, quota, created, updated) = row;
    Usage {
        project: ProjectId(project),
        project_name,
        owner_name,
        used,
        quota,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// The usage of a project.
pub async fn find(conn: &mut Conn, project: ProjectId) -> Result<Option<Usage>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE u.project_id = $1")
        .bind(project.0)
        .fetch_optional()
        .await?;
    Ok(row.map(usage))
}

/// Sets the quota of a project, in bytes; -1 is unlimited. It may be less than what is used.
pub async fn set_quota(
    tx: &mut Tx,
    project: ProjectId,
    quota: i64,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query("UPDATE project_usage SET quota = $1, updated_at = $2 WHERE project_id = $3")
        .bind(quota)
        .bind(now.0)
        .bind(project.0)
        .execute()
        .await?;
    Ok(changed == 1)
}

fn narrowed(query: Query<'_>, project: Option<ProjectId>) -> Query<'_> {
    match project {
        Some(project) => query.push(" WHERE u.project_id = ").push_bind(project.0),
        None => query,
    }
}

/// Usages, by project unless `order` (column, descending) says otherwise.
pub async fn list(
    conn: &mut Conn,
    project: Option<ProjectId>,
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Usage>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(usage).collect())
}

/// How many usages [`list`] has.
pub async fn count(conn: &mut Conn, project: Option<ProjectId>) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM project_usage u";
    let (count,) = narrowed(conn.query(select), project).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The bytes that all projects use together; what two of them hold counts twice.
pub async fn total(conn: &mut Conn) -> Result<i64> {
    let (total,) = conn
        .query("SELECT CAST(COALESCE(SUM(used), 0) AS BIGINT) FROM project_usage")
        .fetch_one::<(i64,)>()
        .await?;
    Ok(total)
}

#[cfg(test)]
mod more_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Db;
    use crate::tables::principal::{self, Kind};
    use crate::tables::{project, setting};

    const NOW: Timestamp = Timestamp(1);

    /// A database with one project that may have so many bytes.
    async fn limited_to(quota: i64) -> (crate::testing::Kept, Db, ProjectId) {
        let (directory, db) = crate::testing::database(1).await;
        let mut tx = db.begin().await.unwrap();
        let owner = principal::insert(&mut tx, Kind::User, "owner", NOW).await.unwrap();
        let name = "team".parse().unwrap();
        let id = project::insert(&mut tx, &name, owner, false, quota, NOW).await.unwrap();
        tx.commit().await.unwrap();
        (directory, db, id)
    }

    #[tokio::test]
    async fn a_limit_binds_unless_limits_are_switched_off_and_all_is_counted() {
        crate::testing::on_both_engines(async || {
            let (_directory, db, id) = limited_to(100).await;
            let mut tx = db.begin().await.unwrap();
            assert!(matches!(add(&mut tx, id, 100).await, Ok(Some(_))));
            let refused = add(&mut tx, id, 1).await;
            assert!(matches!(
                refused,
                Err(Error::OverQuota { used: 100, requested: 1, quota: 100 })
            ));
            assert!(require_room(&mut tx, id, 1, None).await.is_err());
            setting::set(&mut tx, "config.quota_per_project_enable", "false").await.unwrap();
            require_room(&mut tx, id, 1, None).await.unwrap();
            add(&mut tx, id, 1).await.unwrap();
            setting::set(&mut tx, "config.quota_per_project_enable", "true").await.unwrap();
            assert!(add(&mut tx, id, 1).await.is_err());
            add(&mut tx, id, -2).await.unwrap();
            assert_eq!(find(&mut tx, id).await.unwrap().unwrap().used, 99);
        })
        .await;
    }
}
