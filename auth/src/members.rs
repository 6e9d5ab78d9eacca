//! Members of projects. Nobody hands out a role that allows more than they may do themselves.

use std::collections::BTreeMap;

use roadstead_model::{
    Action, Permission, PrincipalId, ProjectId, Resource, RoleId, Timestamp, catalogue,
};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::binding::{self, Scope};
use roadstead_storage::tables::member::{self, Member};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::role;
use roadstead_storage::{Conn, Error as StorageError, Turn, Tx};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::permissions::check_pattern;

const LAST_ADMIN: &str = "this is the last project admin; make somebody else one first, or ask a \
                          system administrator";

impl Auth {
    /// Gives a person or a group a role in a project, on behalf of `by`, whose permission is
    /// checked by the caller; with a pattern only for the repositories whose name below the
    /// project matches. Returns the member's id.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Invalid`], [`Error::Refused`] and [`Error::Denied`] with a
    /// message for people.
    pub async fn add_member(
        &self,
        by: &Caller,
        project: &Project,
        who: PrincipalId,
        role: RoleId,
        pattern: &str,
    ) -> Result<i64> {
        check_pattern(pattern)?;
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        require_grantable(&mut tx, by, project, role).await?;
        let scope = Scope::Project(project.id);
        let id = match binding::insert(&mut tx, who, role, scope, pattern, now).await {
            Err(StorageError::Conflict) => {
                return Err(Error::Conflict("this is a member of the project already"));
            }
            Err(StorageError::Reference) => return Err(Error::NotFound("project or member")),
            result => result?,
        };
        let member = member::find(&mut tx, project.id, id).await?;
        let member = member.ok_or(Error::NotFound("project member"))?;
        record(&mut tx, by, project, &member, "create", now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// As for [`Self::add_member`]; [`Error::NotFound`]; [`Error::Precondition`] for the last
    /// project admin.
    pub async fn set_member_role(
        &self,
        by: &Caller,
        project: &Project,
        id: i64,
        role: RoleId,
    ) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let before = self.locked(&mut tx, project.id, id, now).await?;
        require_grantable(&mut tx, by, project, role).await?;
        if role != RoleId::PROJECT_ADMIN {
            require_another_admin(&mut tx, by, project, id).await?;
        }
        member::set_role(&mut tx, project.id, id, role, now).await?;
        let after = member::find(&mut tx, project.id, id).await?.unwrap_or(before);
        record(&mut tx, by, project, &after, "update", now).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Precondition`] for the last project admin.
    pub async fn remove_member(&self, by: &Caller, project: &Project, id: i64) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let before = self.locked(&mut tx, project.id, id, now).await?;
        require_another_admin(&mut tx, by, project, id).await?;
        member::remove(&mut tx, project.id, id).await?;
        record(&mut tx, by, project, &before, "delete", now).await?;
        Ok(tx.commit().await?)
    }

    /// A member of a project that nobody else changes before the transaction ends.
    async fn locked(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        id: i64,
        now: Timestamp,
    ) -> Result<Member> {
        project::lock(tx, project, now).await?;
        member::find(tx, project, id).await?.ok_or(Error::NotFound("project member"))
    }
}

/// Requires that members can be given the role, and that it allows nothing which the caller may
/// not do in the project. Robots and personal tokens can never have some of what Harbor's roles
/// allow; those permissions are not asked of them.
async fn require_grantable(
    conn: &mut Conn,
    by: &Caller,
    project: &Project,
    role: RoleId,
) -> Result<()> {
    let known = role != RoleId::PUBLIC && role::find(conn, role).await?.is_some();
    if !known {
        return Err(Error::Invalid("role_id must be one of 1 to 5, or that of a custom role"));
    }
    let mut permissions = role::permissions(conn, role).await?;
    if by.is_robot() || by.personal_token().is_some() {
        let possible = catalogue::project();
        permissions.retain(|permission| possible.contains(permission));
    }
    let mut wanted: BTreeMap<Resource, Vec<Action>> = BTreeMap::new();
    for Permission { resource, action } in permissions {
        wanted.entry(resource).or_default().push(action);
    }
    for (resource, actions) in wanted {
        let held = by.rights(conn, project.id, project.public, resource, None).await?;
        if !actions.iter().all(|action| held.contains(action)) {
            return Err(Error::Denied("nobody can give a role that allows more than they may do"));
        }
    }
    Ok(())
}

/// A project keeps somebody who administers it, unless a system administrator decides otherwise.
async fn require_another_admin(
    conn: &mut Conn,
    by: &Caller,
    project: &Project,
    id: i64,
) -> Result<()> {
    let exempt = by.is_sysadmin() && by.is_person();
    if !exempt && member::is_last_admin(conn, project.id, id).await? {
        return Err(Error::Precondition(LAST_ADMIN));
    }
    Ok(())
}

async fn record(
    tx: &mut Tx,
    by: &Caller,
    project: &Project,
    member: &Member,
    operation: &'static str,
    now: Timestamp,
) -> Result<()> {
    let Member { entity_name, role_name, pattern, .. } = member;
    let place = if pattern.is_empty() { String::new() } else { format!(" in {pattern}") };
    let text = format!("{entity_name} as {role_name}{place}");
    let event = Event::of("member", entity_name, operation).in_project(project.id);
    Ok(audit::record(tx, by.actor(), event.described(&text), now).await?)
}
