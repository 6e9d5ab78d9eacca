//! Explicit permissions, as robots and personal tokens carry them: entries of a place and what is
//! allowed there. Each entry becomes a private role and a binding to it.

use roadstead_model::{
    Action, Pattern, Permission, PrincipalId, ProjectId, Resource, Timestamp, catalogue,
};
use roadstead_storage::tables::binding::{self, Scope};
use roadstead_storage::tables::rights;
use roadstead_storage::tables::role::{self, Kind};
use roadstead_storage::{Conn, Error as StorageError, Tx};
use uuid::Uuid;

use crate::caller::Caller;
use crate::error::{Error, Result};

/// Describes private roles in which pulling was not given, but follows from pushing.
const PULL_IMPLIED: &str = "pull is implied";
/// Describes private roles whose permissions were given with the effect `allow`.
const EFFECT_SAID: &str = "allow";

/// What is allowed in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub scope: Scope,
    /// Only the repositories whose name below the project matches; empty for all.
    pub pattern: String,
    /// What.
    pub access: Vec<Permission>,
    /// Whether the effect, which is always `allow`, was said; it is told back then.
    pub effect: bool,
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
    entries.iter().try_for_each(check_entry)
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

/// The same entries, those of one place in one.
pub(crate) fn joined(entries: &[Entry]) -> Vec<Entry> {
    let mut joined: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let same =
            |other: &&mut Entry| other.scope == entry.scope && other.pattern == entry.pattern;
        match joined.iter_mut().find(same) {
            Some(known) => known.access.extend(&entry.access),
            None => joined.push(entry.clone()),
        }
    }
    joined
}

/// What entries allow in the end: in a project's robot pushing includes pulling.
pub(crate) fn completed(entries: &[Entry], push_includes_pull: bool) -> Vec<Entry> {
    let complete = |entry: &Entry| {
        let mut entry = entry.clone();
        if push_includes_pull && lacks_pull(&entry.access) {
            entry.access.push(Permission::repository(Action::Pull));
        }
        entry
    };
    entries.iter().map(complete).collect()
}

fn lacks_pull(access: &[Permission]) -> bool {
    let has = |action| access.contains(&Permission::repository(action));
    has(Action::Push) && !has(Action::Pull)
}

/// Requires that a caller gives away no more than they have, and no more than the personal token
/// leaves of it that they came with.
///
/// # Errors
/// [`Error::Denied`].
pub(crate) async fn require_no_more_than(
    conn: &mut Conn,
    by: &Caller,
    entries: &[Entry],
) -> Result<()> {
    let own = by.principal.as_ref().ok_or(Error::BadCredentials)?;
    let mut covered = own.sysadmin || covers(conn, own.id, entries, by.is_person()).await?;
    if let Some(via) = by.personal_token() {
        covered = covered && covers(conn, via, entries, false).await?;
    }
    if covered { Ok(()) } else { Err(Error::Denied("nobody can give permissions they lack")) }
}

/// Whether a principal has everything that entries allow, by its bindings and its groups'.
///
/// Harbor compares places literally: all projects do not cover one that is named. Here they do,
/// since they contain it. A pattern covers itself only; what it matches is not compared.
pub(crate) async fn covers(
    conn: &mut Conn,
    holder: PrincipalId,
    entries: &[Entry],
    is_person: bool,
) -> Result<bool> {
    for entry in entries {
        let held = rights::of(conn, holder, entry.scope).await?;
        let has = |wanted: Permission| {
            held.iter().any(|(permission, pattern)| {
                *permission == wanted && (pattern.is_empty() || *pattern == entry.pattern)
            })
        };
        let covered = |wanted: &Permission| {
            has(*wanted) || (is_person && equivalent(*wanted).is_some_and(has))
        };
        if !entry.access.iter().all(covered) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// No role of Harbor's has `metadata:list`, but robots can, and project admins make them. Whoever
/// may read each value may list them.
fn equivalent(permission: Permission) -> Option<Permission> {
    let (list, read) = (Action::List, Action::Read);
    (permission == Permission::new(Resource::Metadata, list))
        .then_some(Permission::new(Resource::Metadata, read))
}

/// Gives a principal its entries. In a project's robot pushing includes pulling.
pub(crate) async fn bind(
    tx: &mut Tx,
    principal: PrincipalId,
    entries: &[Entry],
    push_includes_pull: bool,
    now: Timestamp,
) -> Result<()> {
    let completed = completed(entries, push_includes_pull);
    for (entry, complete) in entries.iter().zip(&completed) {
        let mut notes = Vec::new();
        if entry.access.len() < complete.access.len() {
            notes.push(PULL_IMPLIED);
        }
        if entry.effect {
            notes.push(EFFECT_SAID);
        }
        let (name, notes) = (Uuid::new_v4().to_string(), notes.join(", "));
        let access = &complete.access;
        let id = role::insert(tx, Kind::Private, &name, &notes, access, now).await?;
        match binding::insert(tx, principal, id, entry.scope, &entry.pattern, now).await {
            Err(StorageError::Reference) => return Err(Error::NotFound("project")),
            result => result?,
        };
    }
    Ok(())
}

/// The entries of a principal, as they were given.
pub(crate) async fn of(conn: &mut Conn, principal: PrincipalId) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for bound in binding::of_principal(conn, principal).await? {
        let mut access = role::permissions(conn, bound.role).await?;
        let description = role::description(conn, bound.role).await?;
        let noted = |note: &str| description.split(", ").any(|said| said == note);
        if noted(PULL_IMPLIED) {
            access.retain(|permission| *permission != Permission::repository(Action::Pull));
        }
        let effect = noted(EFFECT_SAID);
        entries.push(Entry { scope: bound.scope, pattern: bound.pattern, access, effect });
    }
    Ok(entries)
}

#[cfg(test)]
mod offspring_tests;
#[cfg(test)]
mod tests;
