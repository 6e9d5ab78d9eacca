//! What a caller may do: the one place where a request's permission is decided.

use std::sync::Arc;

use roadstead_model::{
    Action, Pattern, Permission, PrincipalId, ProjectId, RepositoryId, RepositoryName, Resource,
};
use roadstead_storage::Conn;
use roadstead_storage::tables::binding;
use roadstead_storage::tables::project::{self, Place, Project};

use crate::caller::Caller;
use crate::error::Result;

mod inventory;

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
/// change state take one; only [`Caller::require`] and [`Caller::require_to`] make one.
#[derive(Clone, Debug)]
pub struct Grant {
    caller: Caller,
    name: RepositoryName,
    place: Place,
    actions: Arc<[Action]>,
}

impl Grant {
    /// Who acts.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The place and the actions, to be remembered.
    pub(crate) fn parts(&self) -> (Place, &Arc<[Action]>) {
        (self.place, &self.actions)
    }

    /// What was granted before, and is remembered.
    pub(crate) fn again(
        caller: Caller,
        name: RepositoryName,
        place: Place,
        actions: Arc<[Action]>,
    ) -> Self {
        Self { caller, name, place, actions }
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
        let below = Some(binding::below_project(name.as_str()));
        let resource = Resource::Repository;
        let rights = self.rights(conn, place.project, place.public, resource, below).await?;
        let granted = match &self.token {
            None => rights.clone(),
            Some(token) => {
                let allowed = token.actions_on(name, place.project, place.repository);
                rights.iter().copied().filter(|action| allowed.contains(action)).collect()
            }
        };
        Ok(Standing { place: Some(place), rights, granted })
    }

    /// What the caller's roles allow with a resource of a project, or, with a name below it, of
    /// one of its repositories. A registry token is not looked at.
    pub(crate) async fn rights(
        &self,
        conn: &mut Conn,
        project: ProjectId,
        public: bool,
        resource: Resource,
        below: Option<&str>,
    ) -> Result<Vec<Action>> {
        let mut rights = match &self.principal {
            None => Vec::new(),
            Some(principal) if principal.sysadmin => Action::ALL.to_vec(),
            Some(principal) => bound(conn, principal.id, Some(project), resource, below).await?,
        };
        if let Some(via) = &self.via {
            let left = bound(conn, via.id, Some(project), resource, below).await?;
            rights.retain(|action| left.contains(action));
        }
        if public {
            rights.extend(binding::public_actions(conn, resource).await?);
        }
        Ok(rights)
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
            actions: standing.granted.into(),
        }))
    }

    /// Requires a permission on a repository that is not one of the protocol's, for something
    /// that needs a grant. A registry token is not looked at: the administration API takes none.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require_to(
        &self,
        conn: &mut Conn,
        name: &RepositoryName,
        permission: Permission,
    ) -> Result<Result<Grant, Refusal>> {
        let Some(place) = project::place(conn, name).await? else {
            return Ok(Err(self.refusal()));
        };
        let below = Some(binding::below_project(name.as_str()));
        let rights = self.rights(conn, place.project, place.public, permission.resource, below);
        if !rights.await?.contains(&permission.action) {
            return Ok(Err(self.refusal()));
        }
        Ok(Ok(Grant { caller: self.clone(), name: name.clone(), place, actions: Arc::default() }))
    }

    /// Requires a permission inside a project.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require_in_project(
        &self,
        conn: &mut Conn,
        project: &Project,
        permission: Permission,
    ) -> Result<Result<(), Refusal>> {
        let (id, public) = (project.id, project.public);
        let rights = self.rights(conn, id, public, permission.resource, None).await?;
        Ok(if rights.contains(&permission.action) { Ok(()) } else { Err(self.refusal()) })
    }

    /// Requires a permission on a repository of a project that is not one of the protocol's.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require_in_repository(
        &self,
        conn: &mut Conn,
        project: &Project,
        name: &RepositoryName,
        permission: Permission,
    ) -> Result<Result<(), Refusal>> {
        let below = Some(binding::below_project(name.as_str()));
        let (id, public) = (project.id, project.public);
        let rights = self.rights(conn, id, public, permission.resource, below).await?;
        Ok(if rights.contains(&permission.action) { Ok(()) } else { Err(self.refusal()) })
    }

    /// Requires a permission at system level: system administrators have them all, robots those
    /// that they were given, other people none.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require_system(
        &self,
        conn: &mut Conn,
        permission: Permission,
    ) -> Result<Result<(), Refusal>> {
        let Some(principal) = &self.principal else {
            return Ok(Err(Refusal::Anonymous));
        };
        let holders =
            [(!principal.sysadmin).then_some(principal.id), self.via.as_ref().map(|via| via.id)];
        for holder in holders.into_iter().flatten() {
            let allowed = bound(conn, holder, None, permission.resource, None).await?;
            if !allowed.contains(&permission.action) {
                return Ok(Err(Refusal::Denied));
            }
        }
        Ok(Ok(()))
    }

    /// Requires that the caller may make projects, as far as that is a question of rights: people
    /// may, robots of the system and personal tokens when they were given `project:create`.
    ///
    /// # Errors
    /// The outer error is trouble with the database, the inner one the refusal.
    pub async fn require_making_projects(&self, conn: &mut Conn) -> Result<Result<(), Refusal>> {
        let id = match self.require_login() {
            Ok(id) => id,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let holders = [self.is_robot().then_some(id), self.personal_token()];
        for holder in holders.into_iter().flatten() {
            let allowed = bound(conn, holder, None, Resource::Project, None).await?;
            if !allowed.contains(&Action::Create) {
                return Ok(Err(Refusal::Denied));
            }
        }
        Ok(Ok(()))
    }

    /// Requires that the caller is a person with their own credentials: tokens and robots change
    /// no account.
    ///
    /// # Errors
    /// The refusal.
    pub fn require_person(&self) -> Result<PrincipalId, Refusal> {
        let id = self.require_login()?;
        if self.is_person() { Ok(id) } else { Err(Refusal::Denied) }
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

/// Whether a permission that is limited to some repositories says something of the project as a
/// whole: that it is there, and that its repositories can be listed, which shows those.
fn holds_everywhere(permission: Permission) -> bool {
    matches!(
        (permission.resource, permission.action),
        (Resource::Project, Action::Read) | (Resource::Repository, Action::List)
    )
}

/// What a principal's own bindings and those of its groups allow. A role that is limited to some
/// repositories says something of those, and little of the project as a whole.
async fn bound(
    conn: &mut Conn,
    principal: PrincipalId,
    project: Option<ProjectId>,
    resource: Resource,
    below: Option<&str>,
) -> Result<Vec<Action>> {
    let holds = |action: Action, pattern: &str| match below {
        _ if pattern.is_empty() => true,
        Some(name) => {
            resource.is_of_repository()
                && Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(name))
        }
        None => holds_everywhere(Permission::new(resource, action)),
    };
    let bound = binding::actions(conn, principal, project, resource).await?;
    Ok(bound.into_iter().filter(|(action, p)| holds(*action, p)).map(|(a, _)| a).collect())
}
