//! The accounts of a provider's people. Issuer and subject say whose an account is; a name or a
//! mail address never does.

use roadstead_model::{Origin, PrincipalId, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::oidc_account::{self, OidcAccount};
use roadstead_storage::tables::principal::{self, Principal};
use roadstead_storage::tables::user::{self, NewUser, Source};
use roadstead_storage::tables::{group, secret};
use roadstead_storage::{Error as StorageError, Turn, Tx};
use serde::{Deserialize, Serialize};

use super::cli_secret::GENERATED;
use super::{refresh_token_context, secret_context};
use crate::accounts;
use crate::authenticate::Auth;
use crate::error::{Error, Result};
use crate::oidc::Identity;
use crate::secrets;

/// The longest mail address and full name that are taken over, in bytes and in characters.
const LONGEST: usize = 255;

/// A login that was proven, and what comes with it.
#[derive(Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) identity: Identity,
    pub(super) id_token: String,
    pub(super) refresh_token: Option<String>,
}

impl Auth {
    /// The principal of somebody who has an account and has just logged in.
    ///
    /// # Errors
    /// [`Error::Denied`] when it was disabled.
    pub(super) async fn returning(
        &self,
        id: PrincipalId,
        person: &Person,
        origin: &Origin,
    ) -> Result<Principal> {
        let now = self.clock.now();
        let found = principal::find(&mut self.db.read().await?, id).await?;
        let found = found.ok_or(Error::BadCredentials)?;
        if !found.works(now) {
            self.record_failed_login(&found, origin).await?;
            return Err(Error::Denied("this account is disabled"));
        }
        let token = self.sealed_refresh_token(id, person)?;
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        oidc_account::note_login(&mut tx, id, token.as_deref(), now).await?;
        follow(&mut tx, id, &person.identity, now).await?;
        tx.commit().await?;
        self.working_principal(id).await?.ok_or(Error::BadCredentials)
    }

    /// Makes the account of somebody who logs in for the first time.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that cannot be used, [`Error::Conflict`] for one, or a mail
    /// address, that is somebody else's.
    pub(super) async fn welcome(
        &self,
        name: &str,
        person: &Person,
        origin: &Origin,
    ) -> Result<Principal> {
        accounts::check_name(name, self.configuration().await?.robot_prefix())?;
        let identity = &person.identity;
        let realname = identity.realname.as_deref().unwrap_or(name);
        let realname: String = realname.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let user = NewUser {
            name,
            source: Source::Oidc,
            email: identity.email.as_deref().filter(|email| is_usable(email)),
            realname: &realname,
            comment: "",
            password_hash: "",
            sysadmin: false,
        };
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        // Whoever logs in with their mail address must not reach another one's account.
        if user::find_by_email(&mut tx, name).await?.is_some() {
            return Err(taken());
        }
        let id = user::insert(&mut tx, user, now).await.map_err(or_taken)?;
        let row = self.new_row(id, person, now)?;
        oidc_account::insert(&mut tx, &row).await.map_err(or_taken)?;
        secret::insert(&mut tx, id, GENERATED, None, now).await?;
        let actor = Actor { principal: Some(id), name, origin };
        audit::record(&mut tx, actor, Event::of("user", name, "create"), now).await?;
        follow(&mut tx, id, identity, now).await?;
        tx.commit().await?;
        self.working_principal(id).await?.ok_or(Error::BadCredentials)
    }

    fn new_row(&self, id: PrincipalId, person: &Person, now: Timestamp) -> Result<OidcAccount> {
        let generated = secrets::generate()?;
        Ok(OidcAccount {
            principal: id,
            issuer: person.identity.issuer.clone(),
            subject: person.identity.subject.clone(),
            secret: self.secret.seal(generated.as_bytes(), &secret_context(id))?,
            refresh_token: self.sealed_refresh_token(id, person)?,
            checked_at: now,
            ask_again_at: Timestamp(0),
            created_at: now,
            updated_at: now,
        })
    }

    fn sealed_refresh_token(&self, id: PrincipalId, person: &Person) -> Result<Option<Vec<u8>>> {
        let context = refresh_token_context(id);
        let seal = |token: &String| self.secret.seal(token.as_bytes(), &context);
        person.refresh_token.as_ref().map(seal).transpose()
    }

    /// The principal as it is now, unless it is disabled or gone.
    pub(super) async fn working_principal(&self, id: PrincipalId) -> Result<Option<Principal>> {
        let found = principal::find(&mut self.db.read().await?, id).await?;
        Ok(found.filter(|principal| principal.works(self.clock.now())))
    }
}

/// Gives a person the groups that the provider says now, and no others of it, and makes them an
/// administrator or ends that.
pub(super) async fn follow(
    tx: &mut Tx,
    id: PrincipalId,
    identity: &Identity,
    now: Timestamp,
) -> Result<()> {
    let mut groups = Vec::with_capacity(identity.groups.len());
    for name in identity.groups.iter().filter(|name| !name.contains(char::is_control)) {
        groups.push(match group::find_of_provider(tx, name).await? {
            Some(known) => known,
            None => make_group(tx, name, now).await?,
        });
    }
    group::replace_memberships(tx, id, group::OIDC, &groups).await?;
    let Some(account) = user::find_by_id(tx, id).await? else {
        return Err(Error::LoginEnded);
    };
    if account.directory_admin != identity.admin {
        user::set_directory_admin(tx, id, identity.admin).await?;
        let what = if identity.admin {
            "administrator by a group of the OIDC provider"
        } else {
            "no longer administrator by a group of the OIDC provider"
        };
        let event = Event::of("user", &account.principal.name, "update");
        record(tx, event.described(what), now).await?;
    }
    Ok(())
}

async fn make_group(tx: &mut Tx, name: &str, now: Timestamp) -> Result<PrincipalId> {
    let id = group::insert(tx, name, group::OIDC, "", now).await?;
    let event = Event::of("user_group", name, "create").described("from the OIDC provider");
    record(tx, event, now).await?;
    Ok(id)
}

/// Notes that the provider no longer knows a person.
pub(super) async fn record_end(tx: &mut Tx, id: PrincipalId, now: Timestamp) -> Result<()> {
    let found = principal::find(tx, id).await?;
    let name = found.map(|principal| principal.name).unwrap_or_default();
    let event = Event::of("user", &name, "logout").described("ended by the OIDC provider");
    record(tx, event, now).await
}

async fn record(tx: &mut Tx, event: Event<'_>, now: Timestamp) -> Result<()> {
    let origin = Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    Ok(audit::record(tx, actor, event, now).await?)
}

fn taken() -> Error {
    Error::Conflict("the username or the email address is taken")
}

fn or_taken(error: StorageError) -> Error {
    match error {
        StorageError::Conflict => taken(),
        other => other.into(),
    }
}

/// An account can do without an address, so one that is none is left out.
fn is_usable(email: &str) -> bool {
    let (mailbox, host) = email.split_once('@').unwrap_or_default();
    let plain = !email.chars().any(|c| c.is_control() || c.is_whitespace());
    !mailbox.is_empty() && !host.is_empty() && plain && email.len() <= LONGEST
}
