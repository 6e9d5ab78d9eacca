//! Accounts of people: the first administrator, and those who are added.

use roadstead_model::{Clock, PrincipalId, ProjectName};
use roadstead_storage::Db;
use roadstead_storage::tables::Viewer;
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::project::{self, Filter};
use roadstead_storage::tables::user::{self, NewUser, Source};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::passwords;

/// The first administrator's name, as in Harbor.
pub const ADMIN: &str = "admin";

/// What an account is made from.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The name to log in with, 1 to 255 characters.
    pub name: String,
    /// The mail address.
    pub email: String,
    /// The full name.
    pub realname: String,
    /// Free text, up to 30 characters.
    pub comment: String,
    /// 8 to 128 characters with upper case, lower case and a digit.
    pub password: String,
}

/// Whether the database has an administrator.
pub async fn has_admin(db: &Db) -> Result<bool> {
    Ok(user::find(&mut db.read().await?, ADMIN).await?.is_some())
}

/// Makes the first administrator. When there is one already, this does nothing and returns false.
pub async fn create_admin(db: &Db, password: &str, clock: &dyn Clock) -> Result<bool> {
    let hash = passwords::hash(password).await?;
    let user = NewUser {
        name: ADMIN,
        source: Source::Db,
        email: None,
        realname: "system admin",
        comment: "admin user",
        password_hash: &hash,
        sysadmin: true,
    };
    let mut tx = db.begin().await?;
    let now = clock.now();
    match user::insert(&mut tx, user, now).await {
        Err(roadstead_storage::Error::Conflict) => return Ok(false),
        result => result?,
    };
    let origin = roadstead_model::Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    audit::record(&mut tx, actor, event(ADMIN, "create"), now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Makes the public project that every installation begins with, owned by the administrator,
/// unless it is there. Does nothing once there are other projects: whoever deleted it meant it.
pub async fn create_first_project(db: &Db, name: &ProjectName, clock: &dyn Clock) -> Result<()> {
    let mut tx = db.begin().await?;
    let projects = project::count(&mut tx, Viewer::EVERYTHING, Filter::default()).await?;
    let admin = user::find(&mut tx, ADMIN).await?;
    let (0, Some(admin)) = (projects, admin) else {
        return Ok(());
    };
    let now = clock.now();
    let id = project::insert(&mut tx, name, admin.principal.id, true, -1, now).await?;
    let origin = roadstead_model::Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    let event = Event::of("project", name.as_str(), "create").in_project(id);
    audit::record(&mut tx, actor, event, now).await?;
    Ok(tx.commit().await?)
}

impl Auth {
    /// Adds a person's account on behalf of `by`, whose permission is checked by the caller.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Conflict`] with a message for people.
    pub async fn create_user(&self, by: &Caller, account: &NewAccount) -> Result<PrincipalId> {
        check(account)?;
        let hash = self.passwords.hash(&account.password).await?;
        let user = NewUser {
            name: &account.name,
            source: Source::Db,
            email: Some(&account.email),
            realname: &account.realname,
            comment: &account.comment,
            password_hash: &hash,
            sysadmin: false,
        };
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        let id = match user::insert(&mut tx, user, now).await {
            Err(roadstead_storage::Error::Conflict) => {
                return Err(Error::Conflict("the username or the email address is taken"));
            }
            result => result?,
        };
        audit::record(&mut tx, by.actor(), event(&account.name, "create"), now).await?;
        tx.commit().await?;
        Ok(id)
    }
}

impl Auth {
    /// Gives an account another password; everything issued with the old one stops working.
    /// `old` must be the present password, where one is asked for. False when there is no such
    /// account. The permission is checked by the caller.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] for a wrong old password, [`Error::Invalid`] for a bad new one.
    pub async fn change_password(
        &self,
        by: &Caller,
        id: PrincipalId,
        old: Option<&str>,
        new: &str,
    ) -> Result<bool> {
        let account = user::find_by_id(&mut self.db.read().await?, id).await?;
        let Some(account) = account else {
            return Ok(false);
        };
        if let Some(old) = old {
            let stored = Some(account.password_hash.as_str());
            let name = &account.principal.name;
            self.check_password(name, Some(&account), stored, old, &by.origin).await?;
        }
        passwords::check(new)?;
        if old == Some(new) {
            return Err(Error::Invalid("the new password must differ from the old one"));
        }
        let hash = self.passwords.hash(new).await?;
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        user::set_password(&mut tx, id, &hash, now).await?;
        audit::record(&mut tx, by.actor(), event(&account.principal.name, "update"), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn event<'a>(name: &'a str, operation: &'static str) -> Event<'a> {
    Event::of("user", name, operation)
}

fn plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= 255
        && !text.contains([',', '"', '~', '#', '%', '$', ':'])
        && !text.chars().any(char::is_control)
}

/// The rule for names to log in with.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn check_name(name: &str) -> Result<()> {
    let message = "username must have 1 to 255 characters and none of , \" ~ # % $ :";
    if plain(name) { Ok(()) } else { Err(Error::Invalid(message)) }
}

fn check(account: &NewAccount) -> Result<()> {
    check_name(&account.name)?;
    if !plain(&account.realname) {
        return Err(Error::Invalid(
            "realname must have 1 to 255 characters and none of , \" ~ # % $ :",
        ));
    }
    let (mailbox, host) = account.email.split_once('@').unwrap_or_default();
    if mailbox.is_empty() || host.is_empty() || account.email.len() > 255 {
        return Err(Error::Invalid("email must be a mail address"));
    }
    if account.comment.chars().count() > 30 {
        return Err(Error::Invalid("comment must have at most 30 characters"));
    }
    passwords::check(&account.password)
}
