//! Groups that somebody names before they have been here: the one place that finds them, and
//! makes them known where that can be answered for.

use roadstead_model::{Action, Permission, PrincipalId, Resource};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::group::{self, Group};
use roadstead_storage::{Error as StorageError, Turn};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::ldap::canonical_dn;

/// The longest name of a group, in characters.
const LONGEST_NAME: usize = 255;

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
    /// The group that is meant, on behalf of `by`; None when there is none. A group of the OpenID
    /// provider exists as soon as it is named, because nobody can be asked for it: it has members
    /// once its name is in their tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the distinguished name is none, or more than one group has the name.
    pub async fn find_or_onboard_group(
        &self,
        by: &Caller,
        wanted: GroupName<'_>,
    ) -> Result<Option<PrincipalId>> {
        let mut conn = self.db.read().await?;
        let found: Vec<Group> = if wanted.ldap_dn.is_empty() {
            let named = group::find_named(&mut conn, wanted.name).await?;
            named.into_iter().filter(|g| wanted.kind == 0 || g.kind == wanted.kind).collect()
        } else {
            let dn = canonical_dn(wanted.ldap_dn);
            let dn = dn.ok_or(Error::Invalid("ldap_group_dn must be a distinguished name"))?;
            group::find_by_dn(&mut conn, &dn).await?.into_iter().collect()
        };
        drop(conn);
        match found.as_slice() {
            [group] => return Ok(Some(group.id)),
            [] => {}
            _ => return Err(Error::Invalid("more than one group has this name; give its id")),
        }
        let configuration = self.configuration().await?;
        if configuration.is_ldap() && !wanted.ldap_dn.is_empty() {
            return self.onboard_from_directory(by, wanted.ldap_dn).await;
        }
        if !configuration.is_oidc() || wanted.kind != group::OIDC || !wanted.ldap_dn.is_empty() {
            return Ok(None);
        }
        self.make_group(by, wanted.name, group::OIDC, "").await.map(Some)
    }

    /// The directory is asked on behalf of those who may make groups: others would make them for
    /// everybody.
    async fn onboard_from_directory(&self, by: &Caller, dn: &str) -> Result<Option<PrincipalId>> {
        let make = Permission::new(Resource::UserGroup, Action::Create);
        if by.require_system(&mut self.db.read().await?, make).await?.is_err() {
            return Ok(None);
        }
        let found = self.search_directory_groups("", dn).await?;
        let Some((dn, name)) = found.first().and_then(|g| Some((canonical_dn(&g.dn)?, &g.name)))
        else {
            return Ok(None);
        };
        self.make_group(by, name, group::LDAP, &dn).await.map(Some)
    }

    async fn make_group(
        &self,
        by: &Caller,
        name: &str,
        kind: i64,
        dn: &str,
    ) -> Result<PrincipalId> {
        if name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(Error::Invalid("group_name must have 1 to 255 plain characters"));
        }
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let id = match group::insert(&mut tx, name, kind, dn, now).await {
            Err(StorageError::Conflict) => return Err(Error::Conflict("the group exists already")),
            result => result?,
        };
        let event = Event::of("user_group", name, "create").described("named as a member");
        audit::record(&mut tx, by.actor(), event, now).await?;
        tx.commit().await?;
        Ok(id)
    }
}
