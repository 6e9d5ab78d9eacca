//! What a caller may do: the one place where a request's permission is decided.

use roadstead_model::{
    Action, Permission, PrincipalId, ProjectId, RepositoryId, RepositoryName, Resource,
};
use roadstead_storage::Conn;
use roadstead_storage::tables::project::{self, Place, Project};

use crate::caller::Caller;
use crate::error::Result;

/// Why a caller may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has logged in; with credentials it might be allowed.
    Anonymous,
    /// The caller may, but the token they brought does not say so.
    TokenLacks,
    /// The caller may not. Says nothing about whether the thing exists.
    Denied,
}

/// The proof that a caller may act on a repository (which may not exist yet). Functions that
/// change state take one; only [`Caller::require`] makes one.
#[derive(Clone, Debug)]
pub struct Grant {
    caller: Caller,
    name: RepositoryName,
    place: Place,
    actions: Vec<Action>,
}

impl Grant {
    /// Who acts.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The principal who acts; None when anonymous.
    pub fn principal(&self) -> Option<PrincipalId> {
        self.caller.id()
    }

    /// The repository's name.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// The project the repository lives in.
    pub fn project(&self) -> ProjectId {
        self.place.project
    }

    /// The repository, if anything was ever pushed to it.
    pub fn repository(&self) -> Option<RepositoryId> {
        self.place.repository
    }

    /// Whether pushing is allowed as well.
    pub fn may_push(&self) -> bool {
        self.actions.contains(&Action::Push)
    }
}

/// What a caller may do on a repository, by their rights and by their token.
#[derive(Clone, Debug)]
pub struct Standing {
    place: Option<Place>,
    rights: Vec<Action>,
    granted: Vec<Action>,
}

impl Standing {
    /// Whether the caller's rights include `action`, whatever their token says.
    pub(crate) fn allows(&self, action: Action) -> bool {
        self.rights.contains(&action)
    }

    /// Whether `action` is allowed, and if not, why.
    fn check(&self, caller: &Caller, action: Action) -> Result<Place, Refusal> {
        match self.place {
            Some(place) if self.granted.contains(&action) => Ok(place),
            Some(_) if self.rights.contains(&action) => Err(Refusal::TokenLacks),
            _ if caller.without_credentials() => Err(Refusal::Anonymous),
            _ => Err(Refusal::Denied),
        }
    }
}

impl Caller {
    /// What the caller may do on a repository.
    pub async fn standing(&self, conn: &mut Conn, name: &RepositoryName) -> Result<Standing> {
        let Some(place) = project::place(conn, name).await? else {
            return Ok(Standing { place: None, rights: Vec::new(), granted: Vec::new() });
        };
        let rights = self.rights(conn, place.project, place.public, Resource::Repository).await?;
        let granted = match &self.token {
            None => rights.clone(),
            Some(token) => {
                let allowed = token.actions_on(name, place.project, place.repository);
                rights.iter().copied().filter(|action| allowed.contains(action)).collect()
            }
        };
        Ok(Standing { place: Some(place), rights, granted })
    }

    /// What the roles of the principal allow in a project; a token is not looked at.
    async fn rights(
        &self,
        conn: &mut Conn,
        project: ProjectId,
        public: bool,
        resource: Resource,
    ) -> Result<Vec<Action>> {
        if self.is_sysadmin() {
            use Action::{Create, Delete, List, Pull, Push, Read};
            return Ok(vec![Pull, Push, Delete, Read, List, Create]);
        }
        Ok(project::actions(conn, project, public, self.id(), resource).await?)
    }

    /// Requires `action` on a repository.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require(
        &self,
        conn: &mut Conn,
        name: &RepositoryName,
        action: Action,
    ) -> Result<Result<Grant, Refusal>> {
        let standing = self.standing(conn, name).await?;
        Ok(standing.check(self, action).map(|place| Grant {
            caller: self.clone(),
            name: name.clone(),
            place,
            actions: standing.granted,
        }))
    }

    /// Requires a permission inside a project.
    pub async fn require_in_project(
        &self,
        conn: &mut Conn,
        project: &Project,
        permission: Permission,
    ) -> Result<Result<(), Refusal>> {
        let rights = self.rights(conn, project.id, project.public, permission.resource).await?;
        Ok(if rights.contains(&permission.action) { Ok(()) } else { Err(self.refusal()) })
    }

    /// Requires a permission at system level: system administrators have them all, others none.
    ///
    /// # Errors
    /// The refusal.
    pub fn require_system(&self, _permission: Permission) -> Result<(), Refusal> {
        if self.is_sysadmin() { Ok(()) } else { Err(self.refusal()) }
    }

    /// Requires that somebody has logged in, whoever it is.
    ///
    /// # Errors
    /// The refusal.
    pub fn require_login(&self) -> Result<PrincipalId, Refusal> {
        self.id().ok_or(Refusal::Anonymous)
    }

    /// Why the caller, who may not, may not.
    pub fn refusal(&self) -> Refusal {
        if self.principal.is_some() { Refusal::Denied } else { Refusal::Anonymous }
    }
}
