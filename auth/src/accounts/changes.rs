//! What changes of an account, and who may change it.

use roadstead_model::PrincipalId;
use roadstead_storage::tables::session::{self, Session};
use roadstead_storage::tables::user::{self, Source, UserAccount};
use roadstead_storage::tables::{audit, principal};
use roadstead_storage::{Error as StorageError, Turn, Tx};

use super::{ADMIN, check_profile, event};
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::passwords;

const NOT_HERE: Error = Error::Denied("this account belongs to a directory and is changed there");

/// What people say of themselves.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The mail address.
    pub email: String,
    /// The full name.
    pub realname: String,
    /// Free text, up to 30 characters.
    pub comment: String,
}

/// The permission at system level is checked by the caller of each of these, which ends in
/// [`Error::NotFound`] when there is no such account. Beyond that, only administrators who came
/// with their own credentials change the account of an administrator, or make one: a robot or a
/// token that may update users would otherwise be as good as any of them.
impl Auth {
    /// Changes what an account says of its person.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`], [`Error::Denied`] with a message for people.
    pub async fn update_profile(&self, by: &Caller, id: PrincipalId, to: &Profile) -> Result<()> {
        check_profile(&to.email, &to.realname, &to.comment)?;
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let account = changeable(&mut tx, by, id).await?;
        if account.source != Source::Db {
            return Err(NOT_HERE);
        }
        if user::find(&mut tx, &to.email).await?.is_some_and(|other| other.principal.id != id) {
            return Err(Error::Conflict("the email address is taken"));
        }
        let now = self.clock.now();
        let email = Some(to.email.as_str());
        match user::set_profile(&mut tx, id, email, &to.realname, &to.comment, now).await {
            Err(StorageError::Conflict) => {
                return Err(Error::Conflict("the email address is taken"));
            }
            result => result?,
        }
        audit::record(&mut tx, by.actor(), event(&account.principal.name, "update"), now).await?;
        Ok(tx.commit().await?)
    }

    /// Makes somebody an administrator, or ends that.
    ///
    /// # Errors
    /// [`Error::Precondition`] for the last one, [`Error::Denied`].
    pub async fn set_sysadmin(&self, by: &Caller, id: PrincipalId, sysadmin: bool) -> Result<()> {
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        user::count_sysadmins(&mut tx).await?;
        let account = changeable(&mut tx, by, id).await?;
        if sysadmin && !is_administrator(by) {
            return Err(Error::Denied("only administrators make administrators"));
        }
        let now = self.clock.now();
        user::set_sysadmin(&mut tx, id, sysadmin, now).await?;
        require_one_left(&mut tx).await?;
        let what = if sysadmin { "system administrator" } else { "no system administrator" };
        let event = event(&account.principal.name, "update").described(what);
        audit::record(&mut tx, by.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }

    /// Keeps somebody from doing anything, at once, or ends that. What was issued to them before
    /// does not work again then.
    ///
    /// # Errors
    /// [`Error::Denied`] for oneself and the built-in administrator.
    pub async fn set_disabled(&self, by: &Caller, id: PrincipalId, disabled: bool) -> Result<()> {
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        user::count_sysadmins(&mut tx).await?;
        let account = changeable(&mut tx, by, id).await?;
        require_dispensable(by, &account)?;
        let now = self.clock.now();
        principal::set_disabled(&mut tx, id, disabled, now).await?;
        if disabled {
            principal::revoke(&mut tx, id, now).await?;
        }
        require_one_left(&mut tx).await?;
        let what = if disabled { "disabled" } else { "enabled" };
        let event = event(&account.principal.name, "update").described(what);
        audit::record(&mut tx, by.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes an account with its roles, tokens and sessions. Its projects and robots stay.
    ///
    /// # Errors
    /// [`Error::Denied`] for oneself and the built-in administrator.
    pub async fn delete_user(&self, by: &Caller, id: PrincipalId) -> Result<()> {
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        user::count_sysadmins(&mut tx).await?;
        let account = changeable(&mut tx, by, id).await?;
        require_dispensable(by, &account)?;
        let now = self.clock.now();
        principal::remove(&mut tx, id, now).await?;
        require_one_left(&mut tx).await?;
        audit::record(&mut tx, by.actor(), event(&account.principal.name, "delete"), now).await?;
        Ok(tx.commit().await?)
    }

    /// Gives an account another password; everything issued with the old one stops working.
    /// `old` is the present password, which people who change their own must know.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] for a wrong old password, [`Error::Invalid`] for a bad new one,
    /// [`Error::Denied`] when the password is not kept here.
    pub async fn change_password(
        &self,
        by: &Caller,
        id: PrincipalId,
        old: &str,
        new: &str,
    ) -> Result<()> {
        let mut conn = self.db.read().await?;
        let account = changeable(&mut conn, by, id).await?;
        drop(conn);
        if account.source != Source::Db {
            return Err(NOT_HERE);
        }
        let own = by.id() == Some(id);
        if own {
            let stored = Some(account.password_hash.as_str());
            let name = &account.principal.name;
            self.check_password(name, Some(&account), stored, old, &by.origin).await?;
        }
        passwords::check(new)?;
        if own && old == new {
            return Err(Error::Invalid("the new password must differ from the old one"));
        }
        let hash = self.passwords.hash(new).await?;
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        // Hashing took its time; the account may have gone, or risen, since.
        let account = changeable(&mut tx, by, id).await?;
        let now = self.clock.now();
        user::set_password(&mut tx, id, &hash, now).await?;
        let event = event(&account.principal.name, "update").described("password changed");
        audit::record(&mut tx, by.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }

    /// The sessions of an account that still work, the newest first.
    pub async fn sessions_of(&self, id: PrincipalId) -> Result<Vec<Session>> {
        let mut conn = self.db.read().await?;
        let found = user::find_by_id(&mut conn, id).await?.ok_or(Error::NotFound("user"))?;
        let now = self.clock.now();
        let mut sessions = session::of_principal(&mut conn, id, now).await?;
        sessions.retain(|session| session.epoch == found.principal.epoch);
        Ok(sessions)
    }

    /// Requires that `by` may change this account, as far as that follows from whose it is.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::NotFound`].
    pub async fn require_changeable(&self, by: &Caller, id: PrincipalId) -> Result<()> {
        changeable(&mut self.db.read().await?, by, id).await.map(drop)
    }
}

pub(crate) async fn changeable(
    conn: &mut roadstead_storage::Conn,
    by: &Caller,
    id: PrincipalId,
) -> Result<UserAccount> {
    let account = user::find_by_id(conn, id).await?.ok_or(Error::NotFound("user"))?;
    let own = by.is_person() && by.id() == Some(id);
    if account.principal.sysadmin && !own && !is_administrator(by) {
        return Err(Error::Denied("only administrators change the account of an administrator"));
    }
    Ok(account)
}

/// Whether it is an administrator who came with their own credentials.
fn is_administrator(by: &Caller) -> bool {
    by.is_person() && by.is_sysadmin()
}

fn require_dispensable(by: &Caller, account: &UserAccount) -> Result<()> {
    if by.id() == Some(account.principal.id) || account.principal.name == ADMIN {
        return Err(Error::Denied(
            "nobody deletes or disables their own account or the built-in administrator's",
        ));
    }
    Ok(())
}

async fn require_one_left(tx: &mut Tx) -> Result<()> {
    match user::count_sysadmins(tx).await? {
        0 => Err(Error::Precondition("the last administrator must stay one")),
        _ => Ok(()),
    }
}
