//! Rules that make tags immutable. Which tags they match is kept in `tag.immutable`, so that the
//! statements which move or remove a tag can guard it themselves.
//!
//! A change of the rules locks the project's row; whoever writes a tag shares that lock while it
//! reads the rules. So a tag that is written after a change obeys it.

use roadstead_model::{Pattern, ProjectId, RepositoryId, Timestamp};

use super::binding::below_project;
use super::project;
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// Which names a selector means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoration {
    /// Those that the pattern matches.
    Matches,
    /// All others.
    Excludes,
}

impl Decoration {
    const fn name(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Excludes => "excludes",
        }
    }

    fn named(name: &str) -> Self {
        if name == "excludes" { Self::Excludes } else { Self::Matches }
    }
}

/// A pattern and which names it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Which names.
    pub decoration: Decoration,
    /// A doublestar pattern.
    pub pattern: String,
}

impl Selector {
    /// Whether the selector means `name`. A pattern that cannot be read means everything: a rule
    /// that protects too much can be seen and mended.
    fn selects(&self, name: &str) -> bool {
        let Ok(pattern) = Pattern::parse(&self.pattern) else {
            return true;
        };
        pattern.matches(name) == (self.decoration == Decoration::Matches)
    }
}

/// A rule's row.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The id.
    pub id: i64,
    /// For people to order them; it changes nothing.
    pub priority: i64,
    /// Whether it is out of force.
    pub disabled: bool,
    /// Which repositories, by their name below the project.
    pub repository: Selector,
    /// Which tags.
    pub tag: Selector,
}

impl Rule {
    /// Whether the rule makes a tag immutable. `repository` is the name below the project.
    pub fn protects(&self, repository: &str, tag: &str) -> bool {
        !self.disabled && self.repository.selects(repository) && self.tag.selects(tag)
    }
}

type Row = (i64, i64, bool, String, String, String, String);

const SELECT: &str = "SELECT id, priority, disabled, repository_decoration, repository_pattern,
            tag_decoration, tag_pattern FROM immutable_rule WHERE project_id = $1";

fn rule(row: Row) -> Rule {
    let (id, priority, disabled, repository_decoration, repository_pattern, ..) = row;
    let (.., tag_decoration, tag_pattern) = row;
    let selector =
        |decoration: &str, pattern| Selector { decoration: Decoration::named(decoration), pattern };
    Rule {
        id,
        priority,
        disabled,
        repository: selector(&repository_decoration, repository_pattern),
        tag: selector(&tag_decoration, tag_pattern),
    }
}

/// All rules of a project.
pub async fn all(conn: &mut Conn, project: ProjectId) -> Result<Vec<Rule>> {
    let rows: Vec<Row> =
        conn.query(SELECT).push(" ORDER BY id").bind(project.0).fetch_all().await?;
    Ok(rows.into_iter().map(rule).collect())
}

/// The rules of a project for whoever writes a tag in this transaction.
pub async fn in_force(tx: &mut Tx, project: ProjectId) -> Result<Vec<Rule>> {
    project::share(tx, project).await?;
    all(tx, project).await
}

fn narrowed<'c>(query: Query<'c>, project: ProjectId, conditions: &[Condition]) -> Query<'c> {
    query.bind(project.0).narrowed(conditions)
}

/// A page of the rules of a project, by id unless `order` says otherwise.
pub async fn list(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Rule>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(rule).collect())
}

/// How many rules [`list`] has.
pub async fn count(conn: &mut Conn, project: ProjectId, conditions: &[Condition]) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM immutable_rule WHERE project_id = $1";
    let (count,) = narrowed(conn.query(select), project, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The rule of the project with this id.
pub async fn find(conn: &mut Conn, project: ProjectId, id: i64) -> Result<Option<Rule>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND id = $2").bind(project.0).bind(id).fetch_optional().await?;
    Ok(row.map(rule))
}

/// Adds a rule, in force at once, and returns its id.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the project has the same rule.
pub async fn insert(
    tx: &mut Tx,
    project: ProjectId,
    priority: i64,
    repository: &Selector,
    tag: &Selector,
    now: Timestamp,
) -> Result<i64> {
    project::lock(tx, project, now).await?;
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO immutable_rule (project_id, priority, repository_decoration,
                 repository_pattern, tag_decoration, tag_pattern, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id",
        )
        .bind(project.0)
        .bind(priority)
        .bind(repository.decoration.name())
        .bind(repository.pattern.as_str())
        .bind(tag.decoration.name())
        .bind(tag.pattern.as_str())
        .bind(now.0)
        .fetch_one()
        .await?;
    mark_tags(tx, project).await?;
    Ok(id)
}

/// Changes a rule; false when the project has no such one.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the project has the same rule.
pub async fn update(tx: &mut Tx, project: ProjectId, rule: &Rule, now: Timestamp) -> Result<bool> {
    project::lock(tx, project, now).await?;
    let changed = tx
        .query(
            "UPDATE immutable_rule SET priority = $1, disabled = $2, repository_decoration = $3,
                 repository_pattern = $4, tag_decoration = $5, tag_pattern = $6, updated_at = $7
             WHERE id = $8 AND project_id = $9",
        )
        .bind(rule.priority)
        .bind(rule.disabled)
        .bind(rule.repository.decoration.name())
        .bind(rule.repository.pattern.as_str())
        .bind(rule.tag.decoration.name())
        .bind(rule.tag.pattern.as_str())
        .bind(now.0)
        .bind(rule.id)
        .bind(project.0)
        .execute()
        .await?;
    mark_tags(tx, project).await?;
    Ok(changed == 1)
}

/// Removes a rule; false when the project has no such one.
pub async fn remove(tx: &mut Tx, project: ProjectId, id: i64, now: Timestamp) -> Result<bool> {
    project::lock(tx, project, now).await?;
    let removed = tx
        .query("DELETE FROM immutable_rule WHERE id = $1 AND project_id = $2")
        .bind(id)
        .bind(project.0)
        .execute()
        .await?;
    mark_tags(tx, project).await?;
    Ok(removed == 1)
}

/// Removes every rule of a project.
pub async fn remove_all_of(tx: &mut Tx, project: ProjectId) -> Result<()> {
    tx.query("DELETE FROM immutable_rule WHERE project_id = $1").bind(project.0).execute().await?;
    Ok(())
}

/// Sets `tag.immutable` of every tag of a project to what its rules say.
async fn mark_tags(tx: &mut Tx, project: ProjectId) -> Result<()> {
    let rules = all(tx, project).await?;
    let tags: Vec<(i64, String, String, bool)> = tx
        .query(
            "SELECT t.repo_id, r.name, t.name, t.immutable FROM tag t
             JOIN repository r ON r.id = t.repo_id WHERE r.project_id = $1",
        )
        .bind(project.0)
        .fetch_all()
        .await?;
    for (repository, repository_name, tag, marked) in tags {
        let below = below_project(&repository_name);
        let immutable = rules.iter().any(|rule| rule.protects(below, &tag));
        if immutable != marked {
            mark(tx, RepositoryId(repository), &tag, immutable).await?;
        }
    }
    Ok(())
}

async fn mark(tx: &mut Tx, repository: RepositoryId, tag: &str, immutable: bool) -> Result<()> {
    tx.query("UPDATE tag SET immutable = $1 WHERE repo_id = $2 AND name = $3")
        .bind(immutable)
        .bind(repository.0)
        .bind(tag)
        .execute()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
