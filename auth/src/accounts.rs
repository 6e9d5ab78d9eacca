//! Accounts of people: the first administrator, and those who are added.

use roadstead_model::{Clock, PrincipalId, ProjectName};
use roadstead_storage::tables::Viewer;
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::project::{self, Filter};
use roadstead_storage::tables::user::{self, NewUser, Source};
use roadstead_storage::{Db, Turn};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::passwords;

mod changes;

pub(crate) use changes::changeable;

pub use changes::Profile;

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
    let mut tx = db.begin_turn(Turn::Authority).await?;
    let now = clock.now();
    if user::find(&mut tx, ADMIN).await?.is_some() {
        return Ok(false);
    }
    user::insert(&mut tx, user, now).await?;
    let origin = roadstead_model::Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    audit::record(&mut tx, actor, event(ADMIN, "create"), now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Makes the public project that every installation begins with, owned by the administrator,
/// unless it is there. Does nothing once there are other projects: whoever deleted it meant it.
pub async fn create_first_project(db: &Db, name: &ProjectName, clock: &dyn Clock) -> Result<()> {
    let mut tx = db.begin_turn(Turn::Authority).await?;
    let projects = project::count(&mut tx, Viewer::EVERYTHING, Filter::default()).await?;
    let admin = user::find(&mut tx, ADMIN).await?;
    let (0, Some(admin)) = (projects, admin) else {
        return Ok(());
    };
    let now = clock.now();
    let id = match project::insert(&mut tx, name, admin.principal.id, true, -1, now).await {
        // Another server that starts at the same time was faster.
        Err(roadstead_storage::Error::Conflict) => return Ok(()),
        inserted => inserted?,
    };
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
    /// [`Error::Invalid`], [`Error::Conflict`] and [`Error::Denied`] with a message for people.
    pub async fn create_user(&self, by: &Caller, account: &NewAccount) -> Result<PrincipalId> {
        let configuration = self.configuration().await?;
        if configuration.text("auth_mode") != "db_auth" {
            return Err(Error::Denied("accounts come from the directory in this auth_mode"));
        }
        check(account, configuration.robot_prefix())?;
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
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let now = self.clock.now();
        // People log in with either, so nobody's name may be another's address.
        let shadows = user::find_by_email(&mut tx, &account.name).await?.is_some()
            || user::find(&mut tx, &account.email).await?.is_some();
        if shadows {
            return Err(TAKEN);
        }
        let id = match user::insert(&mut tx, user, now).await {
            Err(roadstead_storage::Error::Conflict) => return Err(TAKEN),
            result => result?,
        };
        audit::record(&mut tx, by.actor(), event(&account.name, "create"), now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Adds the account of somebody who registers themselves, which must be switched on; only as
    /// many in a minute as the server can hash passwords for.
    ///
    /// # Errors
    /// As for [`Self::create_user`]; [`Error::TooManyAttempts`].
    pub async fn register(&self, by: &Caller, account: &NewAccount) -> Result<PrincipalId> {
        if !self.configuration().await?.is_on("self_registration") {
            return Err(Error::Denied("self-registration is switched off"));
        }
        self.throttle.admit_stranger(&by.origin.address)?;
        self.create_user(by, account).await
    }
}

const TAKEN: Error = Error::Conflict("the username or the email address is taken");

fn event<'a>(name: &'a str, operation: &'static str) -> Event<'a> {
    Event::of("user", name, operation)
}

/// The rule for names to log in with.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn check_name(name: &str, robot_prefix: &str) -> Result<()> {
    if !plain(name) || name.contains(':') {
        return Err(Error::Invalid(
            "username must have 1 to 255 characters and none of , \" ~ # % $ :",
        ));
    }
    if name.starts_with(robot_prefix) {
        return Err(Error::Invalid("username must not begin as the names of robots do"));
    }
    Ok(())
}

fn check(account: &NewAccount, robot_prefix: &str) -> Result<()> {
    check_name(&account.name, robot_prefix)?;
    check_profile(&account.email, &account.realname, &account.comment)?;
    passwords::check(&account.password)
}

fn plain(text: &str) -> bool {
    (1..=255).contains(&text.chars().count())
        && !text.contains([',', '"', '~', '#', '%', '$'])
        && !text.chars().any(char::is_control)
}

/// Checks what people say of themselves, by Harbor's rules.
fn check_profile(email: &str, realname: &str, comment: &str) -> Result<()> {
    if !plain(realname) {
        return Err(Error::Invalid(
            "realname must have 1 to 255 characters and none of , \" ~ # % $",
        ));
    }
    let (mailbox, host) = email.split_once('@').unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
    let whole = !mailbox.is_empty() && !host.is_empty() && !host.contains('@');
    if !whole || mailbox.contains(odd) || host.contains(odd) || email.len() > 255 {
        return Err(Error::Invalid("email must be a mail address"));
    }
    if comment.chars().count() > 30 {
        return Err(Error::Invalid("comment must have at most 30 characters"));
    }
    Ok(())
}
