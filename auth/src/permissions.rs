//! Explicit permissions, as robots and personal tokens carry them: entries of a place and what is
//! allowed there. Each entry becomes a private role and a binding to it.

use roadstead_model::{Action, Pattern, Permission, PrincipalId, ProjectId, Timestamp, catalogue};
use roadstead_storage::tables::binding::{self, Scope};
use roadstead_storage::tables::role::{self, Kind};
use roadstead_storage::{Conn, Error as StorageError, Tx};
use uuid::Uuid;

use crate::caller::Caller;
use crate::error::{Error, Result};

/// Describes private roles in which pulling was not given, but follows from pushing.
const PULL_IMPLIED: &str = "pull is implied";

/// What is allowed in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub scope: Scope,
    /// Only the repositories whose name below the project matches; empty for all.
    pub pattern: String,
    /// What.
    pub access: Vec<Permission>,
}

/// Checks entries for somebody of `project`, or of the system.
///
/// # Errors
/// [`Error::Invalid`] and [`Error::Refused`] with a message for people.
pub(crate) fn check(entries: &[Entry], project: Option<ProjectId>) -> Result<()> {
    if entries.is_empty() || entries.iter().any(|entry| entry.access.is_empty()) {
        return Err(Error::Invalid("permissions, and the access of each, must not be empty"));
    }
    if let Some(project) = project
        && (entries.len() != 1 || entries[0].scope != Scope::Project(project))
    {
        return Err(Error::Invalid(
            "a robot of a project must have exactly one permission, for its own project",
        ));
    }
    for (at, entry) in entries.iter().enumerate() {
        let same = |other: &Entry| other.scope == entry.scope && other.pattern == entry.pattern;
        if entries[..at].iter().any(same) {
            return Err(Error::Invalid("two permissions are for the same place; join them"));
        }
        check_entry(entry)?;
    }
    Ok(())
}

fn check_entry(entry: &Entry) -> Result<()> {
    let known = match entry.scope {
        Scope::System => catalogue::system(),
        Scope::AllProjects | Scope::Project(_) => catalogue::project(),
    };
    if let Some(unknown) = entry.access.iter().find(|permission| !known.contains(permission)) {
        return Err(Error::Refused(format!("the permission {unknown} cannot be given here")));
    }
    check_pattern(&entry.pattern)?;
    if !entry.pattern.is_empty() && entry.scope == Scope::System {
        return Err(Error::Invalid("only permissions in projects can have a repository pattern"));
    }
    Ok(())
}

/// Checks a pattern of repositories; the empty one is for all.
///
/// # Errors
/// [`Error::Refused`].
pub fn check_pattern(pattern: &str) -> Result<()> {
    match Pattern::parse(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Refused(format!("the repository pattern {pattern:?}: {error}"))),
    }
}

/// Requires that a robot, or somebody with a personal token, gives away no more than they have;
/// people with their own credentials give what their roles let them manage. What follows from
/// the entries, as for [`bind`], is counted on both sides.
///
/// # Errors
/// [`Error::Denied`].
pub(crate) async fn require_no_more_than(
    conn: &mut Conn,
    by: &Caller,
    entries: &[Entry],
    push_includes_pull: bool,
) -> Result<()> {
    for holder in limited_holders(by) {
        let held = in_force(conn, holder).await?;
        let covered = |entry: &Entry, permission: &Permission| {
            held.iter().any(|mine| {
                covers(mine.scope, entry.scope)
                    && (mine.pattern.is_empty() || mine.pattern == entry.pattern)
                    && mine.access.contains(permission)
            })
        };
        for entry in entries {
            let (access, _) = with_implied(&entry.access, push_includes_pull);
            if !access.iter().all(|permission| covered(entry, permission)) {
                return Err(Error::Denied("nobody can give permissions that they do not have"));
            }
        }
    }
    Ok(())
}

/// The principals whose explicit permissions bound what a caller can give.
fn limited_holders(by: &Caller) -> Vec<PrincipalId> {
    let robot = by.is_robot().then(|| by.id()).flatten();
    robot.into_iter().chain(by.personal_token()).collect()
}

/// Harbor compares places literally: all projects do not cover one that is named. Here they do,
/// since they contain it.
fn covers(mine: Scope, theirs: Scope) -> bool {
    mine == theirs || (mine == Scope::AllProjects && matches!(theirs, Scope::Project(_)))
}

/// Gives a principal its entries. In a project's robot pushing includes pulling.
pub(crate) async fn bind(
    tx: &mut Tx,
    principal: PrincipalId,
    entries: &[Entry],
    push_includes_pull: bool,
    now: Timestamp,
) -> Result<()> {
    for entry in entries {
        let (access, implied) = with_implied(&entry.access, push_includes_pull);
        let description = if implied { PULL_IMPLIED } else { "" };
        let name = Uuid::new_v4().to_string();
        let id = role::insert(tx, Kind::Private, &name, description, &access, now).await?;
        match binding::insert(tx, principal, id, entry.scope, &entry.pattern, now).await {
            Err(StorageError::Reference) => return Err(Error::NotFound("project")),
            result => result?,
        };
    }
    Ok(())
}

/// What is allowed with what follows from it, and whether anything does.
fn with_implied(access: &[Permission], push_includes_pull: bool) -> (Vec<Permission>, bool) {
    let (push, pull) = (Permission::repository(Action::Push), Permission::repository(Action::Pull));
    let implied = push_includes_pull && access.contains(&push) && !access.contains(&pull);
    (access.iter().copied().chain(implied.then_some(pull)).collect(), implied)
}

/// The entries of a principal, as they were given.
pub(crate) async fn of(conn: &mut Conn, principal: PrincipalId) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for bound in binding::of_principal(conn, principal).await? {
        let mut access = role::permissions(conn, bound.role).await?;
        if role::description(conn, bound.role).await? == PULL_IMPLIED {
            access.retain(|permission| *permission != Permission::repository(Action::Pull));
        }
        entries.push(Entry { scope: bound.scope, pattern: bound.pattern, access });
    }
    Ok(entries)
}

/// The entries of a principal, with what follows from them.
async fn in_force(conn: &mut Conn, principal: PrincipalId) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for bound in binding::of_principal(conn, principal).await? {
        let access = role::permissions(conn, bound.role).await?;
        entries.push(Entry { scope: bound.scope, pattern: bound.pattern, access });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
