//! Whose lists are shown: the conditions that keep rows out of sight, in SQL, so that pages and
//! totals are right.

use roadstead_model::PrincipalId;

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

/// A principal and its groups.
macro_rules! principals {
    ($id:literal) => {
        concat!(
            "(SELECT CAST(",
            $id,
            " AS BIGINT) UNION ALL
              SELECT group_id FROM group_member WHERE user_id = ",
            $id,
            ")"
        )
    };
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

/// Whether a principal may pull from the repository `r` of the project `p`.
macro_rules! may_pull {
    ($id:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM role_binding b JOIN role_permission a ON a.role_id = b.role_id
               WHERE b.principal_id IN ",
            principals!($id),
            " AND (b.project_id = p.id OR b.scope = 'all')
               AND a.resource = 'repository' AND a.action = 'pull'
               AND (b.pattern = '' OR EXISTS (SELECT 1 FROM bound_repository k
                    WHERE k.binding_id = b.id AND k.repo_id = r.id)))"
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

/// The viewer may pull from the repository `r` of the project `p`. Binds `$1` to `$3`.
pub(super) const SEES_REPOSITORY: &str =
    concat!("(p.public OR (($1 OR ", may_pull!("$2"), ") AND ($3 = 0 OR ", may_pull!("$3"), ")))");
