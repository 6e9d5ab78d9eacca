//! The accounts of people whom a directory knows: made when they come for the first time, and
//! brought up to date, with their groups, whenever they are looked up.

use std::collections::BTreeSet;

use roadstead_model::{Origin, PrincipalId, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::group;
use roadstead_storage::tables::principal::{self, Principal};
use roadstead_storage::tables::user::{self, NewUser, Source, UserAccount};
use roadstead_storage::{Conn, Error as StorageError, Turn, Tx};

use super::trouble;
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::Result;
use crate::ldap::{Person, canonical_dn};

/// The longest name of a person or a group, in characters.
const LONGEST: usize = 255;

/// Who makes an account, or has it brought up to date.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    /// The person, by logging in.
    Themselves(&'a Origin),
    /// Somebody else.
    Caller(&'a Caller),
}

/// What became of somebody who was to get an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onboarded {
    /// The account, new or not.
    Account(PrincipalId),
    /// The directory knows nobody of that name, or more than one.
    Unknown,
    /// The name belongs to an account that is not theirs, or theirs is disabled.
    Refused,
}

/// What an account should be, as the directory has it.
struct Wanted<'a> {
    person: &'a Person,
    email: Option<String>,
    realname: String,
    /// Canonical DN, name, and the group if it is known here.
    groups: Vec<(String, &'a str, Option<PrincipalId>)>,
}

impl<'a> Wanted<'a> {
    async fn of(
        conn: &mut Conn,
        person: &'a Person,
        account: Option<&UserAccount>,
    ) -> Result<Self> {
        let mut email = person.email.clone().filter(|email| is_plain(email));
        // Somebody else's address stays theirs: it is one of their names.
        if let Some(wanted) = &email {
            let owner = user::find_by_email(conn, wanted).await?.map(|owner| owner.principal.id);
            if owner.is_some() && owner != account.map(|account| account.principal.id) {
                email = None;
            }
        }
        let mut groups = Vec::with_capacity(person.groups.len());
        let mut seen = BTreeSet::new();
        for found in &person.groups {
            let Some(dn) = canonical_dn(&found.dn).filter(|dn| seen.insert(dn.clone())) else {
                continue;
            };
            let known = group::find_by_dn(conn, &dn).await?.map(|group| group.id);
            groups.push((dn, found.name.as_str(), known));
        }
        let realname = person.realname.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        Ok(Self { person, email, realname, groups })
    }

    /// What is to be changed of an account.
    async fn differences(
        &self,
        conn: &mut Conn,
        account: &UserAccount,
    ) -> Result<Vec<&'static str>> {
        let id = account.principal.id;
        let is_in: BTreeSet<_> =
            group::memberships(conn, id, group::LDAP).await?.into_iter().map(Some).collect();
        let should_be: BTreeSet<_> = self.groups.iter().map(|(.., id)| *id).collect();
        let mut differences = Vec::new();
        if account.email != self.email || account.realname != self.realname {
            differences.push("profile");
        }
        if is_in != should_be {
            differences.push("groups");
        }
        if account.directory_admin != self.person.admin {
            differences.push("administrator");
        }
        Ok(differences)
    }
}

impl Auth {
    /// The account of a person, made or brought up to date; None when the name belongs to an
    /// account that is not theirs, or theirs is disabled.
    pub(super) async fn admit(&self, person: &Person, by: By<'_>) -> Result<Option<Principal>> {
        let prefix = self.configuration().await?.robot_prefix().to_owned();
        let name = person.username.replace(',', "_");
        if !is_plain(&name) || name.starts_with(&prefix) {
            tracing::warn!(dn = person.dn, "a name of the directory cannot be used here");
            return Ok(None);
        }
        if let Some(done) = self.up_to_date(&name, person).await? {
            return Ok(done);
        }
        let admitted = match self.write_account(&name, person, by).await {
            // Somebody else has made the account, or a group, at the same time.
            Err(crate::Error::Storage(StorageError::Conflict)) => {
                self.write_account(&name, person, by).await?
            }
            result => result?,
        };
        if let Some(principal) = &admitted {
            self.directories.logins.see(principal.id);
        }
        Ok(admitted)
    }

    /// What [`Self::admit`] returns when there is nothing to write.
    async fn up_to_date(&self, name: &str, person: &Person) -> Result<Option<Option<Principal>>> {
        let mut conn = self.db.read().await?;
        let Some(account) = user::find(&mut conn, name).await? else {
            return Ok(None);
        };
        if !self.may_enter(&mut conn, &account, person).await? {
            return Ok(Some(None));
        }
        let wanted = Wanted::of(&mut conn, person, Some(&account)).await?;
        if !wanted.differences(&mut conn, &account).await?.is_empty() {
            return Ok(None);
        }
        self.directories.logins.see(account.principal.id);
        Ok(Some(Some(account.principal)))
    }

    /// Whether an account is the person's, and not disabled.
    async fn may_enter(
        &self,
        conn: &mut Conn,
        account: &UserAccount,
        person: &Person,
    ) -> Result<bool> {
        // Two names of the directory may become one here.
        let is_theirs = account.source == Source::Ldap
            && user::directory_name(conn, account.principal.id).await? == person.username;
        if !is_theirs {
            let name = &account.principal.name;
            tracing::warn!(name, dn = person.dn, "the name belongs to another account");
        }
        Ok(is_theirs && account.principal.works(self.clock.now()))
    }

    async fn write_account(
        &self,
        name: &str,
        person: &Person,
        by: By<'_>,
    ) -> Result<Option<Principal>> {
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let account = user::find(&mut tx, name).await?;
        if let Some(account) = &account
            && !self.may_enter(&mut tx, account, person).await?
        {
            return Ok(None);
        }
        let wanted = Wanted::of(&mut tx, person, account.as_ref()).await?;
        let (id, operation, what) = if let Some(account) = &account {
            let differences = wanted.differences(&mut tx, account).await?;
            if differences.is_empty() {
                return Ok(Some(account.principal.clone()));
            }
            let what = format!("from the directory: {}", differences.join(", "));
            (account.principal.id, "update", what)
        } else {
            let id = insert(&mut tx, name, &wanted, now).await?;
            (id, "create", "from the directory".to_owned())
        };
        let actor = match by {
            By::Themselves(origin) => Actor { principal: Some(id), name, origin },
            By::Caller(caller) => caller.actor(),
        };
        let comment = account.as_ref().map_or("", |account| account.comment.as_str());
        let email = wanted.email.as_deref();
        user::set_profile(&mut tx, id, email, &wanted.realname, comment, now).await?;
        user::set_directory_admin(&mut tx, id, person.admin).await?;
        let mut groups = Vec::with_capacity(wanted.groups.len());
        for (dn, name, known) in &wanted.groups {
            groups.push(match known {
                Some(id) => *id,
                None => make_group(&mut tx, actor, dn, name, now).await?,
            });
        }
        group::replace_memberships(&mut tx, id, group::LDAP, &groups).await?;
        let event = Event::of("user", name, operation).described(&what);
        audit::record(&mut tx, actor, event, now).await?;
        let principal = principal::find(&mut tx, id).await?;
        tx.commit().await?;
        Ok(principal)
    }

    /// Gives somebody an account whom the directory knows, on behalf of `by`, whose permission is
    /// checked by the caller.
    ///
    /// # Errors
    /// [`crate::Error::Directory`] for trouble with the directory, or with its settings.
    pub async fn onboard(&self, by: &Caller, name: &str) -> Result<Onboarded> {
        let configuration = self.configuration().await?;
        let directory = self.directory(&configuration).await?;
        let _seat = self.directories.logins.seat().await?;
        let found = directory.find_user(name).await.map_err(|error| trouble(&error))?;
        let Some(person) = found else {
            return Ok(Onboarded::Unknown);
        };
        let admitted = self.admit(&person, By::Caller(by)).await?;
        Ok(admitted.map_or(Onboarded::Refused, |principal| Onboarded::Account(principal.id)))
    }

    /// The account with this name; where the directory says who people are, made from there if
    /// there is none yet.
    ///
    /// # Errors
    /// [`crate::Error::Directory`] for trouble with the directory.
    pub async fn find_or_onboard(&self, by: &Caller, name: &str) -> Result<Option<PrincipalId>> {
        let account = user::find(&mut self.db.read().await?, name).await?;
        if let Some(account) = account {
            return Ok(Some(account.principal.id));
        }
        if !self.configuration().await?.is_ldap() {
            return Ok(None);
        }
        Ok(match self.onboard(by, name).await? {
            Onboarded::Account(id) => Some(id),
            Onboarded::Unknown | Onboarded::Refused => None,
        })
    }
}

async fn insert(
    tx: &mut Tx,
    name: &str,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<PrincipalId> {
    let new = NewUser {
        name,
        source: Source::Ldap,
        email: wanted.email.as_deref(),
        realname: &wanted.realname,
        comment: "",
        password_hash: "",
        sysadmin: false,
    };
    let id = user::insert(tx, new, now).await?;
    user::set_directory_name(tx, id, &wanted.person.username).await?;
    Ok(id)
}

async fn make_group(
    tx: &mut Tx,
    actor: Actor<'_>,
    dn: &str,
    name: &str,
    now: Timestamp,
) -> Result<PrincipalId> {
    let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    let id = group::ensure(tx, &name, group::LDAP, dn, now).await?;
    let event = Event::of("user_group", dn, "create").described("from the directory");
    audit::record(tx, actor, event, now).await?;
    Ok(id)
}

/// Whether a name or an address can be kept.
fn is_plain(text: &str) -> bool {
    let length = text.chars().count();
    (1..=LONGEST).contains(&length) && !text.chars().any(char::is_control)
}
