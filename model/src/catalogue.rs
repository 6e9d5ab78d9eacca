//! The permissions that a robot, a personal token or a custom role can be given: Harbor's
//! catalogue of robot permissions, its base and extra lists together.

use crate::{Action, Permission, Resource};

use Action::{Create, Delete, List, Operate, Pull, Push, Read, Stop, Update};
use Resource as R;

type Row = (Resource, &'static [Action]);

/// What can be granted on the system as a whole.
const SYSTEM: &[Row] = &[
    (R::AuditLog, &[List]),
    (R::PreheatInstance, &[Read, Create, Delete, List, Update]),
    (R::Project, &[List, Create]),
    (R::ReplicationPolicy, &[Read, Create, Delete, List, Update]),
    (R::Replication, &[Read, Create, List]),
    (R::ReplicationAdapter, &[List]),
    (R::Registry, &[Read, Create, Delete, List, Update]),
    (R::ScanAll, &[Read, Update, Stop, Create]),
    (R::SystemVolumes, &[Read]),
    (R::GarbageCollection, &[Read, Create, List, Update, Stop]),
    (R::PurgeAudit, &[Read, Create, List, Update, Stop]),
    (R::JobserviceMonitor, &[List, Stop]),
    (R::Scanner, &[Read, Create, Delete, List, Update]),
    (R::Label, &[Read, Create, Delete, Update]),
    (R::SecurityHub, &[Read, List]),
    (R::Catalog, &[Read]),
    (R::Quota, &[Read, List, Update]),
    (R::Robot, &[Create, Read, List, Delete]),
    (R::User, &[Create, Read, Update, List, Delete]),
    (R::LdapUser, &[Create, List]),
    (R::UserGroup, &[Create, Read, Update, List, Delete]),
];

/// What can be granted on a project.
const PROJECT: &[Row] = &[
    (R::Log, &[List]),
    (R::Project, &[Read, Delete, Update]),
    (R::Metadata, &[Read, Create, Delete, List, Update]),
    (R::Repository, &[Read, Update, Delete, List, Pull, Push]),
    (R::Artifact, &[Read, Create, List, Delete]),
    (R::Scan, &[Create, Read, Stop]),
    (R::Sbom, &[Create, Stop, Read]),
    (R::Tag, &[Create, List, Delete]),
    (R::Accessory, &[List]),
    (R::ArtifactAddition, &[Read]),
    (R::ArtifactLabel, &[Create, Delete]),
    (R::Scanner, &[Create, Read]),
    (R::PreheatPolicy, &[Read, Create, Delete, List, Update]),
    (R::ImmutableTag, &[Create, Delete, List, Update]),
    (R::NotificationPolicy, &[Read, Create, Delete, List, Update]),
    (R::TagRetention, &[Read, Create, Delete, List, Update]),
    (R::Label, &[Read, Create, Delete, List, Update]),
    (R::Quota, &[Read]),
    (R::Robot, &[Create, Read, List, Delete]),
    (R::ExportCve, &[Create, Read]),
    (R::Member, &[Create, Read, Update, List, Delete]),
];

/// What only roles can be given beyond that, because Harbor's own roles have it.
const ROLES_ONLY: &[Row] = &[
    (R::Configuration, &[Read, Update]),
    (R::ExportCve, &[List]),
    (R::Repository, &[Create]),
    (R::Robot, &[Update]),
    (R::TagRetention, &[Operate]),
];

fn listed(rows: &[Row]) -> impl Iterator<Item = Permission> + '_ {
    rows.iter().flat_map(|(resource, actions)| {
        actions.iter().map(|action| Permission::new(*resource, *action))
    })
}

/// The permissions on the system that a robot or a personal token can be given.
pub fn system() -> Vec<Permission> {
    listed(SYSTEM).collect()
}

/// The permissions on a project that a robot or a personal token can be given.
pub fn project() -> Vec<Permission> {
    listed(PROJECT).collect()
}

/// The permissions that a custom role can be made of.
pub fn of_roles() -> Vec<Permission> {
    let mut all: Vec<Permission> = listed(PROJECT).chain(listed(ROLES_ONLY)).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_has_harbors_totals_and_nothing_twice() {
        assert_eq!((system().len(), project().len()), (70, 70));
        for list in [system(), project(), of_roles()] {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
        }
    }
}
