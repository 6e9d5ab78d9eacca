//! Everything that a caller may do, for programs that show only what works.

use roadstead_model::{Action, Permission, Resource, catalogue};
use roadstead_storage::Conn;
use roadstead_storage::tables::binding::Scope;
use roadstead_storage::tables::principal::Kind;
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::rights;

use super::{Refusal, holds_everywhere};
use crate::caller::Caller;
use crate::error::Result;

impl Caller {
    /// Every permission of the catalogue that the caller has in a project as a whole, or, without
    /// one, on the system.
    pub async fn permissions(
        &self,
        conn: &mut Conn,
        project: Option<&Project>,
    ) -> Result<Vec<Permission>> {
        let (scope, known) = match project {
            Some(project) => (Scope::Project(project.id), catalogue::of_roles()),
            None => (Scope::System, catalogue::system()),
        };
        let mut permissions = match &self.principal {
            None => Vec::new(),
            Some(principal) if principal.sysadmin => known.clone(),
            Some(principal) => held(rights::of(conn, principal.id, scope).await?),
        };
        if let Some(via) = &self.via {
            let left = held(rights::of(conn, via.id, scope).await?);
            permissions.retain(|permission| left.contains(permission));
        }
        if project.is_some_and(|project| project.public) {
            permissions.extend(rights::of_everybody(conn).await?);
        }
        permissions.retain(|permission| known.contains(permission));
        permissions.sort_unstable();
        permissions.dedup();
        Ok(permissions)
    }

    /// Requires that the caller may make projects: people may where `everyone` may, and
    /// administrators; robots and personal tokens need `project:create` on the system.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require_project_creation(
        &self,
        conn: &mut Conn,
        everyone: bool,
    ) -> Result<Result<(), Refusal>> {
        let Some(principal) = &self.principal else {
            return Ok(Err(Refusal::Anonymous));
        };
        let free = principal.sysadmin || (everyone && principal.kind == Kind::User);
        let create = Permission::new(Resource::Project, Action::Create);
        let holders = [(!free).then_some(principal.id), self.via.as_ref().map(|via| via.id)];
        for holder in holders.into_iter().flatten() {
            if !held(rights::of(conn, holder, Scope::System).await?).contains(&create) {
                return Ok(Err(Refusal::Denied));
            }
        }
        Ok(Ok(()))
    }
}

/// What holds in the place as a whole.
fn held(rights: Vec<(Permission, String)>) -> Vec<Permission> {
    let holds = |(permission, pattern): &(Permission, String)| {
        pattern.is_empty() || holds_everywhere(*permission)
    };
    rights.into_iter().filter(holds).map(|(permission, _)| permission).collect()
}
