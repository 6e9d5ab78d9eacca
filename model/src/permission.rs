//! What can be done to what: the words of Harbor's role matrix and of its robot permissions.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // The words are Harbor's own.
        pub enum $name {
            $($(#[$word_doc])* $word),+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The word used in the database, in the API and in token scopes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$word => $text),+
                }
            }

            /// The one with this name, if there is one.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.name() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// A kind of thing inside a project, or of the system, that permissions speak of.
    Resource {
        Accessory = "accessory",
        Artifact = "artifact",
        ArtifactAddition = "artifact-addition",
        ArtifactLabel = "artifact-label",
        AuditLog = "audit-log",
        Catalog = "catalog",
        Configuration = "configuration",
        ExportCve = "export-cve",
        GarbageCollection = "garbage-collection",
        ImmutableTag = "immutable-tag",
        JobserviceMonitor = "jobservice-monitor",
        Label = "label",
        LdapUser = "ldap-user",
        Log = "log",
        Member = "member",
        Metadata = "metadata",
        NotificationPolicy = "notification-policy",
        PreheatInstance = "preheat-instance",
        PreheatPolicy = "preheat-policy",
        Project = "project",
        PurgeAudit = "purge-audit",
        Quota = "quota",
        Registry = "registry",
        Replication = "replication",
        ReplicationAdapter = "replication-adapter",
        ReplicationPolicy = "replication-policy",
        Repository = "repository",
        Robot = "robot",
        /// Ours: roles made of permissions.
        Role = "role",
        Sbom = "sbom",
        Scan = "scan",
        ScanAll = "scan-all",
        Scanner = "scanner",
        SecurityHub = "security-hub",
        SystemVolumes = "system-volumes",
        Tag = "tag",
        TagRetention = "tag-retention",
        User = "user",
        UserGroup = "user-group",
    }
}

words! {
    /// An action on a resource.
    Action {
        Create = "create",
        Delete = "delete",
        List = "list",
        Operate = "operate",
        Pull = "pull",
        Push = "push",
        Read = "read",
        Stop = "stop",
        Update = "update",
    }
}

impl Resource {
    /// Whether the resource belongs to one repository, so that a role which is bound to some
    /// repositories of a project says something about it.
    pub const fn is_of_repository(self) -> bool {
        matches!(
            self,
            Self::Accessory
                | Self::Artifact
                | Self::ArtifactAddition
                | Self::ArtifactLabel
                | Self::Repository
                | Self::Sbom
                | Self::Scan
                | Self::Tag
        )
    }
}

impl Action {
    /// The actions that a token can carry for a repository.
    pub const OF_TOKENS: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission {
    /// The thing.
    pub resource: Resource,
    /// What is done to it.
    pub action: Action,
}

impl Permission {
    /// A permission.
    pub const fn new(resource: Resource, action: Action) -> Self {
        Self { resource, action }
    }

    /// A permission on repositories.
    pub const fn repository(action: Action) -> Self {
        Self::new(Resource::Repository, action)
    }

    /// The permission in these words, if there are such.
    pub fn named(resource: &str, action: &str) -> Option<Self> {
        Some(Self::new(Resource::named(resource)?, Action::named(action)?))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
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
    /// Harbor's five roles, the strongest first.
    pub const BY_POWER: [Self; 5] = [Self(1), Self(4), Self(2), Self(3), Self(5)];
}
