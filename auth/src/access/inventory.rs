//! Everything that a caller may do, for programs that show only what works.

use roadstead_model::{Permission, catalogue};
use roadstead_storage::Conn;
use roadstead_storage::tables::binding::{self, Scope};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::rights;

use super::holds_everywhere;
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
}

impl Caller {
    /// Whether the caller may know that a project is there: it is public, or they have any role
    /// that reaches it, and the personal token that they came with as well.
    pub async fn sees(&self, conn: &mut Conn, project: &Project) -> Result<bool> {
        let Some(principal) = &self.principal else {
            return Ok(project.public);
        };
        let holders =
            [(!principal.sysadmin).then_some(principal.id), self.via.as_ref().map(|via| via.id)];
        for holder in holders.into_iter().flatten() {
            if !project.public && !binding::reaches(conn, holder, project.id).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What holds in the place as a whole.
fn held(rights: Vec<(Permission, String)>) -> Vec<Permission> {
    let holds = |(permission, pattern): &(Permission, String)| {
        pattern.is_empty() || holds_everywhere(*permission)
    };
    rights.into_iter().filter(holds).map(|(permission, _)| permission).collect()
}
