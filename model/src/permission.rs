//! What can be done to what: the words of Harbor's role matrix.

use std::fmt;

/// A kind of thing inside a project (or the system) that permissions speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The project itself.
    Project,
    /// Its repositories; every request on /v2 is decided on this one.
    Repository,
    /// User accounts, at system level.
    User,
    /// The list of all repositories, at system level.
    Catalog,
}

impl Resource {
    /// The word used in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Repository => "repository",
            Self::User => "user",
            Self::Catalog => "catalog",
        }
    }
}

/// An action on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Read content through /v2.
    Pull,
    /// Write content through /v2.
    Push,
    /// Remove it.
    Delete,
    /// See one.
    Read,
    /// See all.
    List,
    /// Make one.
    Create,
}

impl Action {
    /// The actions that a token can carry for a repository.
    pub const OF_TOKENS: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// The word used in the database and in token scopes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
        }
    }

    /// The action with this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Pull, Self::Push, Self::Delete, Self::Read, Self::List, Self::Create]
            .into_iter()
            .find(|action| action.name() == name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// The thing.
    pub resource: Resource,
    /// What is done to it.
    pub action: Action,
}

impl Permission {
    /// A permission on repositories.
    pub const fn repository(action: Action) -> Self {
        Self { resource: Resource::Repository, action }
    }
}

/// A role's row. Harbor's ids are not ordered by power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoleId(pub i64);

impl RoleId {
    /// What everybody may do in a public project.
    pub const PUBLIC: Self = Self(0);
    /// Harbor's project admin.
    pub const PROJECT_ADMIN: Self = Self(1);
}
