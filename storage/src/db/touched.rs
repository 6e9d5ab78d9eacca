//! What a transaction changes of that which others may remember ([`Generations`]).
//!
//! It is read off the statements, so that none is forgotten: a statement that writes to a table
//! which is not listed here changes everything.

use roadstead_model::RepositoryId;

use super::Tx;
use crate::query::Query;
use crate::remembered::Generations;

/// Tables of which nothing is remembered.
const FORGOTTEN: &[&str] = &[
    "artifact_label",
    "audit_log",
    "cve_allowlist",
    "deleted_artifact",
    "deleted_artifact_blob",
    "deleted_artifact_child",
    "deleted_artifact_label",
    "deleted_repository",
    "deleted_tag",
    "execution",
    "gc_queue",
    "label",
    "manifest_attributes",
    "manifest_blob",
    "manifest_child",
    "manifest_missing",
    "manifest_pull",
    "paused_job",
    "project_blob",
    "project_undelete",
    "project_usage",
    "quarantine",
    "refresh_token",
    "repository_pull",
    "retention_policy",
    "retention_task",
    "retention_verdict",
    "schedule",
    "session",
    "sqlite_sequence",
    "tag_history",
    "tag_pull",
    "tombstone",
    "upload",
    "webhook_delivery",
    "webhook_target",
    "worker_pool",
];

/// What a statement changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Content,
    Everything,
}

/// What is changed by writing to a table, by the first word of the statement. Only what is there
/// is remembered, so that adding to content changes nothing; and of a manifest, a link or a
/// repository nothing is remembered that an `UPDATE` can change.
fn change(verb: &str, table: &str) -> Change {
    match (verb, table) {
        (_, table) if FORGOTTEN.contains(&table) => Change::Nothing,
        // No blob goes away while it is linked.
        ("INSERT" | "UPDATE", "manifest" | "repo_blob" | "repository")
        | ("INSERT" | "DELETE", "blob") => Change::Nothing,
        (_, "tag" | "manifest" | "repo_blob" | "blob") => Change::Content,
        _ => Change::Everything,
    }
}

/// What a statement writes to: the first word, and the table. Statements that begin otherwise
/// only read.
fn written(sql: &str) -> Option<(&str, &str)> {
    let mut words = sql.split([' ', '\n', '(']).filter(|word| !word.is_empty());
    let verb = words.next()?;
    match verb {
        "INSERT" | "DELETE" => words.nth(1).map(|table| (verb, table)),
        "UPDATE" => words.next().map(|table| (verb, table)),
        "SELECT" | "SET" | "PRAGMA" => None,
        "WITH" if !["INSERT INTO", "UPDATE ", "DELETE FROM"].iter().any(|w| sql.contains(w)) => {
            None
        }
        _ => Some((verb, "")),
    }
}

/// What a transaction has changed so far.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    everything: bool,
    content: bool,
    repositories: Vec<RepositoryId>,
}

impl Touched {
    pub(crate) fn note(&mut self, sql: &str) {
        match written(sql).map(|(verb, table)| change(verb, table)) {
            None | Some(Change::Nothing) => {}
            Some(Change::Content) => self.content = true,
            Some(Change::Everything) => self.everything = true,
        }
    }

    fn is_empty(&self) -> bool {
        !self.everything && !self.content && self.repositories.is_empty()
    }

    /// Lets nobody believe what was remembered before.
    pub(crate) fn committed(&self, generations: &Generations) {
        if self.everything {
            return generations.everything_changed();
        }
        if self.content {
            generations.all_content_changed();
        }
        for repository in &self.repositories {
            generations.repository_changed(*repository);
        }
    }

    /// The same as text for other processes; None when there is nothing to say.
    fn told(&self) -> Option<String> {
        if self.is_empty() {
            None
        } else if self.everything {
            Some(EVERYTHING.to_owned())
        } else if self.content {
            Some(CONTENT.to_owned())
        } else {
            let ids: Vec<String> = self.repositories.iter().map(|id| id.0.to_string()).collect();
            // A notification has room for 8,000 bytes.
            Some(if ids.len() > 300 { CONTENT.to_owned() } else { ids.join(" ") })
        }
    }
}

const EVERYTHING: &str = "everything";
const CONTENT: &str = "content";

/// Does what another process told; false for what is no such text.
pub(super) fn heard(text: &str, generations: &Generations) -> bool {
    match text {
        EVERYTHING => generations.everything_changed(),
        CONTENT => generations.all_content_changed(),
        ids => {
            let ids: Option<Vec<i64>> = ids.split(' ').map(|id| id.parse().ok()).collect();
            let Some(ids) = ids else {
                return false;
            };
            for id in ids {
                generations.repository_changed(RepositoryId(id));
            }
        }
    }
    true
}

impl Tx {
    /// Starts a statement that changes nothing of what is remembered, whatever its table, or of
    /// which the caller says itself what it changes: [`Tx::changes_content_of`].
    pub fn query_quietly(&mut self, sql: &'static str) -> Query<'_> {
        self.query_unnoted(sql)
    }

    /// Notes that the tags, manifests or links of a repository change.
    pub fn changes_content_of(&mut self, repository: RepositoryId) {
        if !self.touched.repositories.contains(&repository) {
            self.touched.repositories.push(repository);
        }
    }

    /// Tells other processes, once it is committed, what it has changed.
    pub(super) async fn tell(&mut self) -> crate::Result<()> {
        match self.touched.told() {
            Some(text) if self.is_postgres() => self.notify(&text).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_says_what_it_writes_to() {
        for (sql, expected) in [
            ("SELECT 1", None),
            ("INSERT INTO tag (repo_id)\n VALUES ($1)", Some(("INSERT", "tag"))),
            ("DELETE FROM repo_blob WHERE", Some(("DELETE", "repo_blob"))),
            ("UPDATE\n blob SET", Some(("UPDATE", "blob"))),
            ("WITH x AS (SELECT 1) SELECT 2", None),
            ("WITH x AS (SELECT 1) DELETE FROM tag", Some(("WITH", ""))),
            ("TRUNCATE tag", Some(("TRUNCATE", ""))),
        ] {
            assert_eq!(written(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_is_not_listed_changes_everything() {
        assert_eq!(change("INSERT", "role_binding"), Change::Everything);
        assert_eq!(change("UPDATE", "project"), Change::Everything);
        assert_eq!(change("DELETE", "repository"), Change::Everything);
        assert_eq!(change("TRUNCATE", ""), Change::Everything);
        assert_eq!(change("UPDATE", "blob"), Change::Content);
        assert_eq!(change("INSERT", "tag"), Change::Content);
        assert_eq!(change("INSERT", "upload"), Change::Nothing);
    }

    #[test]
    fn what_one_process_tells_another_does() {
        let generations = Generations::default();
        let (seven, eight) = (RepositoryId(7), RepositoryId(8));
        let mut touched = Touched::default();
        assert!(touched.told().is_none());
        touched.repositories = vec![seven, RepositoryId(9)];
        let (before, other) = (generations.of_repository(seven), generations.of_repository(eight));
        assert!(heard(&touched.told().unwrap(), &generations));
        assert_ne!(generations.of_repository(seven), before);
        assert_eq!(generations.of_repository(eight), other);
        touched.content = true;
        assert!(heard(&touched.told().unwrap(), &generations));
        assert_ne!(generations.of_repository(eight), other);
        let rights = generations.of_rights();
        touched.everything = true;
        assert!(heard(&touched.told().unwrap(), &generations));
        assert_ne!(generations.of_rights(), rights);
        assert!(!heard("of a later version", &generations));
    }
}
