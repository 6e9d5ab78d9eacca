//! The steps of an upload in one trip each, where the database allows that.
//!
//! They are what the transactions of the same steps do when nothing is in the way: there is room,
//! the content is new, nothing waits for it. Otherwise they do nothing, and the transaction says
//! why, or deals with it. See `Batch` for why they need no savepoint.

use roadstead_model::{Digest, ObjectKey, ProjectId, Timestamp};

use super::{ADVANCE, Advance, Owner, Upload, layout};
use crate::batch::Batch;
use crate::tables::audit::{self, Actor, Event};
use crate::{Db, Result};

/// Opens a session as [`insert`](super::insert) does, in a project that is not full, for a
/// principal with fewer than `most` of them. True when that is done.
pub async fn open(
    db: &Db,
    upload: &Upload,
    owner: Owner,
    project: ProjectId,
    most: i64,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<bool> {
    let batch = || {
        Batch::new(
            "INSERT INTO upload (id, repo_id, principal_id, okey, received, algorithm, hash_state,
                                 created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
             WHERE (SELECT COUNT(*) FROM upload WHERE principal_id = $3) < $10
               AND EXISTS (SELECT 1 FROM repository WHERE id = $2 AND project_id = $11)
               AND EXISTS (SELECT 1 FROM principal WHERE id = $3)
               AND EXISTS (SELECT 1 FROM project_usage WHERE project_id = $11
                           AND (quota < 0 OR used < quota));",
        )
        .bind(upload.id.to_string())
        .bind(owner.repository.0)
        .bind(owner.principal.0)
        .bind(upload.key.as_str().to_owned())
        .bind(i64::try_from(upload.received).unwrap_or(i64::MAX))
        .text(upload.algorithm.name())
        .bind(upload.hash_state.clone())
        .bind(now.0)
        .bind(expires_at.0)
        .bind(most)
        .bind(project.0)
    };
    Ok(db.at_once(batch).await? == Some(true))
}

/// Notes that more bytes are durable as [`advance`](super::advance) does, for a session whose
/// bytes have no tail, neither before nor now. True when that is done.
pub async fn advance(
    db: &Db,
    before: &Upload,
    to: Advance<'_>,
    expires_at: Timestamp,
) -> Result<bool> {
    if before.layout.tail.is_some() || to.layout.tail.is_some() {
        return Ok(false);
    }
    let batch = || {
        Batch::new(ADVANCE)
            .bind(i64::try_from(to.received).unwrap_or(i64::MAX))
            .bind(to.hash_state.to_vec())
            .bind(expires_at.0)
            .bind(layout::parts(to.layout))
            .text("")
            .bind(before.id.to_string())
            .bind(i64::try_from(before.received).unwrap_or(i64::MAX))
    };
    Ok(db.at_once(batch).await? == Some(true))
}

/// What a finished session becomes.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// The content.
    pub digest: &'a Digest,
    /// In bytes.
    pub size: u64,
    /// The object that has them, which is the session's own.
    pub key: &'a ObjectKey,
    /// How long it stays without a manifest that holds it.
    pub lease_until: Timestamp,
}

const LINK: &str = concat!(
    "INSERT INTO blob (digest, size, okey, verified_at, created_at)
     SELECT $4, $5, $6, $7, $7
     WHERE EXISTS (SELECT 1 FROM upload WHERE id = $1 AND repo_id = $2 AND principal_id = $3
                   AND okey = $6 AND tail_key IS NULL AND next_tail_key IS NULL)
       AND EXISTS (SELECT 1 FROM repository WHERE id = $2 AND project_id = $8)
       AND EXISTS (SELECT 1 FROM project_usage WHERE project_id = $8
                   AND (quota < 0 OR (used + $5) * 100 < quota * 85))
       AND NOT EXISTS (SELECT 1 FROM manifest_missing WHERE repo_id = $2 AND digest = $4)
     ON CONFLICT (digest) DO NOTHING;
     INSERT INTO repo_blob (repo_id, blob_id, lease_until)
     SELECT $2, id, $9 FROM blob WHERE okey = $6;
     INSERT INTO project_blob (project_id, blob_id) SELECT $8, id FROM blob WHERE okey = $6;
     INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
     SELECT 'link', id, $2, $9, 0 FROM blob WHERE okey = $6;
     UPDATE project_usage SET used = used + $5 WHERE project_id = $8;
     INSERT INTO audit_log (at, principal_id, actor, address, request_id, project_id,
                            resource_type, resource, operation, description, success, pending)
     SELECT $7, $10, $11, $12, $13, $8, $14, $15, $16, '', TRUE,",
    audit_pending!(),
    " WHERE ",
    audit_wanted!("$17"),
    ";
     DELETE FROM upload WHERE id = $1;"
);

/// Makes a session the blob of a digest that has none, links it in the session's repository,
/// counts it in the project, and writes the event. True when that is done: then the digest is new,
/// no manifest waits for it, and the project does not come near its quota.
pub async fn link(
    db: &Db,
    upload: &Upload,
    owner: Owner,
    project: ProjectId,
    finished: Finished<'_>,
    (actor, event): (Actor<'_>, Event<'_>),
    now: Timestamp,
) -> Result<bool> {
    if *finished.key != upload.key || upload.layout.tail.is_some() {
        return Ok(false);
    }
    let batch = || {
        Batch::new(LINK)
            .bind(upload.id.to_string())
            .bind(owner.repository.0)
            .bind(owner.principal.0)
            .bind(finished.digest.as_str().to_owned())
            .bind(i64::try_from(finished.size).unwrap_or(i64::MAX))
            .bind(finished.key.as_str().to_owned())
            .bind(now.0)
            .bind(project.0)
            .bind(finished.lease_until.0)
            .bind(actor.principal.map(|id| id.0))
            .text(actor.name)
            .text(&actor.origin.address)
            .text(&actor.origin.request_id)
            .text(event.resource_type)
            .text(event.resource)
            .text(event.operation)
            .bind(audit::pattern_of(event))
    };
    Ok(db.at_once(batch).await? == Some(true))
}
