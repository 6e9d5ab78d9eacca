//! Groups that somebody names before they have been here: the one place that finds them, and
//! makes them known where that can be answered for.

use roadstead_model::PrincipalId;
use roadstead_storage::tables::group::{self, Group};

use crate::authenticate::Auth;
use crate::error::{Error, Result};

/// A group as somebody names it; at least one of the two names is there.
#[derive(Clone, Copy, Debug)]
pub struct GroupName<'a> {
    /// The name that people see; may be empty.
    pub name: &'a str,
    /// The distinguished name in the LDAP directory; may be empty.
    pub ldap_dn: &'a str,
    /// Harbor's number: 1 LDAP, 2 HTTP, 3 OIDC; 0 for any.
    pub kind: i64,
}

impl Auth {
    /// The group that is meant; None when there is none. A group of the OpenID provider exists as
    /// soon as it is named, because nobody can be asked for it: it has members once its name is
    /// in their tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] when more than one group has the name.
    pub async fn find_or_onboard_group(
        &self,
        wanted: GroupName<'_>,
    ) -> Result<Option<PrincipalId>> {
        let mut conn = self.db.read().await?;
        let found: Vec<Group> = if wanted.ldap_dn.is_empty() {
            let named = group::find_named(&mut conn, wanted.name).await?;
            named.into_iter().filter(|g| wanted.kind == 0 || g.kind == wanted.kind).collect()
        } else {
            group::find_by_dn(&mut conn, wanted.ldap_dn).await?.into_iter().collect()
        };
        drop(conn);
        match found.as_slice() {
            [group] => return Ok(Some(group.id)),
            [] => {}
            _ => return Err(Error::Invalid("more than one group has this name; give its id")),
        }
        let provider = self.configuration().await?.is_oidc();
        if !provider || wanted.kind != group::OIDC || !wanted.ldap_dn.is_empty() {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        let id = group::ensure(&mut tx, wanted.name, group::OIDC, "", now).await?;
        tx.commit().await?;
        Ok(Some(id))
    }
}
