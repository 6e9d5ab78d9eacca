//! Whose lists are shown: the conditions that keep rows out of sight, in SQL, so that pages and
//! totals are right.

use roadstead_model::{PrincipalId, ProjectId};

use crate::{Conn, Result};

/// Who looks at a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Sees everything, as far as `via` does.
    pub everything: bool,
    /// Who it is; None for anonymous callers.
    pub principal: Option<PrincipalId>,
    /// The personal token they came with; it narrows what they see.
    pub via: Option<PrincipalId>,
}

impl Viewer {
    /// Sees everything.
    pub const EVERYTHING: Self = Self { everything: true, principal: None, via: None };

    /// What the conditions below bind as `$1`, `$2` and `$3`; no principal has the id 0.
    pub(super) fn parameters(self) -> (bool, i64, i64) {
        (self.everything, self.principal.map_or(0, |id| id.0), self.via.map_or(0, |id| id.0))
    }
}

/// Whether a principal has a role that reaches the project `p`.
macro_rules! reaches_project {
    ($id:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM role_binding b WHERE b.principal_id IN ",
            principals!($id),
            " AND (b.project_id = p.id OR b.scope = 'all'))"
        )
    };
}

/// Whether a principal may do one of some things with the repository `r` of the project `p`.
macro_rules! may {
    ($actions:literal, $id:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM role_binding b JOIN role_permission a ON a.role_id = b.role_id
               WHERE b.principal_id IN ",
            principals!($id),
            " AND (b.project_id = p.id OR b.scope = 'all')
               AND a.resource = 'repository' AND a.action IN ",
            $actions,
            " AND (b.pattern = '' OR EXISTS (SELECT 1 FROM bound_repository k
                    WHERE k.binding_id = b.id AND k.repo_id = r.id)))"
        )
    };
}

/// Whether a principal may do one of some things with the repository `r`, for walks along many of
/// them: neither part is asked anew for each.
macro_rules! may_among {
    ($actions:literal, $id:literal) => {
        concat!(
            "(+r.project_id IN (SELECT p.id FROM project p WHERE ",
            may_all_of!($actions, $id),
            ") OR r.id IN (SELECT k.repo_id FROM bound_repository k
               JOIN role_binding b ON b.id = k.binding_id
               JOIN role_permission a ON a.role_id = b.role_id
               JOIN repository x ON x.id = k.repo_id
                AND (b.project_id = x.project_id OR b.scope = 'all')
               WHERE b.principal_id IN ",
            principals!($id),
            " AND a.resource = 'repository' AND a.action IN ",
            $actions,
            "))"
        )
    };
}

/// Whether a principal may do one of some things with every repository of the project `p`.
macro_rules! may_all_of {
    ($actions:literal, $id:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM role_binding b JOIN role_permission a ON a.role_id = b.role_id
               WHERE b.principal_id IN ",
            principals!($id),
            " AND (b.project_id = p.id OR b.scope = 'all') AND b.pattern = ''
               AND a.resource = 'repository' AND a.action IN ",
            $actions,
            ")"
        )
    };
}

/// Whether a principal has a permission in the project `p` as a whole: the resource is `$4`, the
/// action `$5`.
macro_rules! holds {
    ($id:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM role_binding b JOIN role_permission a ON a.role_id = b.role_id
               WHERE b.principal_id IN ",
            principals!($id),
            " AND (b.project_id = p.id OR b.scope = 'all') AND b.pattern = ''
               AND a.resource = $4 AND a.action = $5)"
        )
    };
}

/// The viewer has a permission in the project `p`. Binds `$1` to `$3`, the resource as `$4` and
/// the action as `$5`; what the public set allows is left out.
pub(super) const HOLDS: &str =
    concat!("(($1 OR ", holds!("$2"), ") AND ($3 = 0 OR ", holds!("$3"), "))");

/// The viewer sees the project `p`. Binds `$1` to `$3`.
pub(super) const SEES_PROJECT: &str = concat!(
    "(p.public OR (($1 OR ",
    reaches_project!("$2"),
    ") AND ($3 = 0 OR ",
    reaches_project!("$3"),
    ")))"
);

/// The viewer may do one of some things with the repository `r`. Binds `$1` to `$3`.
macro_rules! viewer_may {
    ($actions:literal) => {
        concat!(
            "(p.public OR (($1 OR ",
            may!($actions, "$2"),
            ") AND ($3 = 0 OR ",
            may!($actions, "$3"),
            ")))"
        )
    };
}

/// The viewer may pull from the repository `r` of the project `p`. Binds `$1` to `$3`.
pub(super) const SEES_REPOSITORY: &str = viewer_may!("('pull')");

/// The viewer may know of the repository `r` of the project `p`. Binds `$1` to `$3`.
pub(super) const LISTS_REPOSITORY: &str = viewer_may!("('list', 'pull')");

/// The same for a walk along many repositories; `p` is not needed.
pub(super) const LISTS_AMONG: &str = concat!(
    "(+r.project_id IN (SELECT p.id FROM project p WHERE p.public) OR (($1 OR ",
    may_among!("('list', 'pull')", "$2"),
    ") AND ($3 = 0 OR ",
    may_among!("('list', 'pull')", "$3"),
    ")))"
);

/// Whether the viewer may know of every repository of a project, so that none need be looked at.
pub(super) async fn lists_all_of(
    conn: &mut Conn,
    viewer: Viewer,
    project: ProjectId,
) -> Result<bool> {
    const ALL: &str = concat!(
        "SELECT 1 FROM project p WHERE p.id = $4 AND (p.public OR (($1 OR ",
        may_all_of!("('list', 'pull')", "$2"),
        ") AND ($3 = 0 OR ",
        may_all_of!("('list', 'pull')", "$3"),
        ")))"
    );
    let (everything, principal, via) = viewer.parameters();
    let query = conn.query(ALL).bind(everything).bind(principal).bind(via).bind(project.0);
    Ok(query.fetch_optional::<(i32,)>().await?.is_some())
}

#[cfg(test)]
mod tests {
    use roadstead_model::{Algorithm, Digest, ProjectId, RoleId, Timestamp};

    use super::*;
    use crate::tables::binding::{self, Scope};
    use crate::tables::manifest::{self, NewManifest};
    use crate::tables::principal::{self, Kind};
    use crate::tables::{project, repository};
    use crate::{Db, Tx};

    const NOW: Timestamp = Timestamp(1);
    const DEVELOPER: RoleId = RoleId(2);
    const NAMES: [&str; 5] =
        ["team/base/os", "team/base/lang/go", "team/web", "other/base/os", "other/web"];

    async fn push(tx: &mut Tx, project: ProjectId, name: &str) {
        let name = name.parse().unwrap();
        let id = repository::ensure(tx, project, &name, NOW).await.unwrap();
        let bytes = name.as_str().as_bytes();
        let new = NewManifest {
            digest: &Digest::of(Algorithm::Sha256, bytes),
            media_type: "application/vnd.oci.image.manifest.v1+json",
            is_index: false,
            bytes,
            depth: 0,
            subject: None,
            artifact_type: None,
            annotations: None,
            facts: manifest::Facts::default(),
        };
        manifest::insert(tx, id, new, NOW).await.unwrap();
    }

    /// Two private projects of somebody else, with half of the repositories there before the
    /// binding and half after it; and a developer who is limited to `pattern` of `team`.
    async fn limited_to(pattern: &str) -> (crate::testing::Kept, Db, Viewer) {
        let (directory, db) = crate::testing::database(2).await;
        let mut tx = db.begin().await.unwrap();
        let owner = principal::insert(&mut tx, Kind::User, "owner", NOW).await.unwrap();
        let developer = principal::insert(&mut tx, Kind::User, "developer", NOW).await.unwrap();
        let mut projects = Vec::new();
        for name in ["team", "other"] {
            let name = name.parse().unwrap();
            projects.push(project::insert(&mut tx, &name, owner, false, -1, NOW).await.unwrap());
        }
        let project_of = |name: &str| projects[usize::from(name.starts_with("other"))];
        for name in &NAMES[..1] {
            push(&mut tx, project_of(name), name).await;
        }
        let scope = Scope::Project(projects[0]);
        binding::insert(&mut tx, developer, DEVELOPER, scope, pattern, NOW).await.unwrap();
        for name in &NAMES[1..] {
            push(&mut tx, project_of(name), name).await;
        }
        tx.commit().await.unwrap();
        let viewer = Viewer { everything: false, principal: Some(developer), via: None };
        (directory, db, viewer)
    }

    /// What lists, the search and the catalog show, which must be the same.
    async fn shown(db: &Db, viewer: Viewer) -> Vec<String> {
        let mut conn = db.read().await.unwrap();
        let catalog = repository::catalog(&mut conn, viewer, "", 100).await.unwrap();
        let filter = repository::Filter { order: &[("r.name", false)], ..Default::default() };
        let listed = repository::list(&mut conn, viewer, filter, 100, 0).await.unwrap();
        let names: Vec<String> = listed.into_iter().map(|found| found.name).collect();
        assert_eq!(names, catalog);
        let count = repository::count(&mut conn, viewer, filter).await.unwrap();
        assert_eq!(usize::try_from(count), Ok(catalog.len()));
        let (.., private) = project::statistics(&mut conn, viewer).await.unwrap();
        assert_eq!(private, count);
        let searched = repository::Filter { name: "base", ..filter };
        let found = repository::list(&mut conn, viewer, searched, 100, 0).await.unwrap();
        let found: Vec<String> = found.into_iter().map(|found| found.name).collect();
        let expected: Vec<String> =
            catalog.iter().filter(|name| name.contains("base")).cloned().collect();
        assert_eq!(found, expected);
        catalog
    }

    #[tokio::test]
    async fn a_role_for_some_repositories_shows_exactly_those() {
        crate::testing::on_both_engines(async || {
            for (pattern, expected) in [
                ("", &["team/base/lang/go", "team/base/os", "team/web"][..]),
                ("base/**", &["team/base/lang/go", "team/base/os"]),
                ("base/*", &["team/base/os"]),
                ("{web,base/os}", &["team/base/os", "team/web"]),
                ("nothing", &[]),
            ] {
                let (_directory, db, viewer) = limited_to(pattern).await;
                assert_eq!(shown(&db, viewer).await, expected, "{pattern}");
                let mut conn = db.read().await.unwrap();
                let filter = project::Filter { order: &[("p.name", false)], ..Default::default() };
                let projects = project::list(&mut conn, viewer, filter, 10, 0).await.unwrap();
                let names: Vec<&str> = projects.iter().map(|found| found.name.as_str()).collect();
                assert_eq!(names, ["team"], "{pattern}");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn nobody_sees_nothing_of_private_projects() {
        crate::testing::on_both_engines(async || {
            let (_directory, db, _) = limited_to("").await;
            let nobody = Viewer { everything: false, principal: None, via: None };
            assert!(shown(&db, nobody).await.is_empty());
            assert_eq!(shown(&db, Viewer::EVERYTHING).await.len(), NAMES.len());
        })
        .await;
    }
}
