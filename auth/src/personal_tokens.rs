//! Personal access tokens: what people give to programs instead of their password.

use roadstead_model::{PrincipalId, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::personal_token::{self, PersonalToken};
use roadstead_storage::tables::{principal, secret};
use roadstead_storage::{Conn, Error as StorageError, Turn};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::permissions::{self, Entry};
use crate::secrets::{self, TOKEN_PREFIX};

/// How many tokens a person has at most.
const MOST_TOKENS: i64 = 100;
const LONGEST_NAME: usize = 64;

/// What a token is made from.
#[derive(Clone, Debug)]
pub struct NewPersonalToken {
    /// Unique among the owner's, 1 to 64 characters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// None for never.
    pub expires_at: Option<Timestamp>,
    /// What the token leaves of what the owner may do.
    pub permissions: Vec<Entry>,
}

impl Auth {
    /// Makes a token for the caller, who must be a person with their own credentials. Returns it
    /// with its secret, which is told once.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] with a message for people.
    pub async fn create_personal_token(
        &self,
        by: &Caller,
        new: &NewPersonalToken,
    ) -> Result<(PersonalToken, String)> {
        let owner = by.id().filter(|_| by.is_person());
        let owner = owner.ok_or(Error::Denied("only people make tokens, with their password"))?;
        let now = self.clock.now();
        check(new, now)?;
        let generated = format!("{TOKEN_PREFIX}{}", secrets::generate()?);
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        principal::touch(&mut tx, owner, now).await?;
        if personal_token::count(&mut tx, owner).await? >= MOST_TOKENS {
            return Err(Error::Conflict("you have 100 tokens; revoke some first"));
        }
        let (name, end) = (new.name.as_str(), new.expires_at);
        let made = personal_token::insert(&mut tx, owner, name, &new.description, end, now).await;
        let id = match made {
            Err(StorageError::Conflict) => {
                return Err(Error::Conflict("you have a token of this name already"));
            }
            result => result?,
        };
        permissions::bind(&mut tx, id, &new.permissions, false, now).await?;
        secret::insert(&mut tx, id, &secrets::verifier(&generated), None, now).await?;
        let event = Event::of("personal_token", &new.name, "create");
        audit::record(&mut tx, by.actor(), event, now).await?;
        let token = personal_token::find(&mut tx, owner, id).await?;
        tx.commit().await?;
        Ok((token.ok_or(Error::NotFound("token"))?, generated))
    }

    /// Revokes a token of `owner` on behalf of `by`, whose permission is checked by the caller.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_personal_token(
        &self,
        by: &Caller,
        owner: PrincipalId,
        id: PrincipalId,
    ) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let found = personal_token::find(&mut tx, owner, id).await?;
        let found = found.ok_or(Error::NotFound("token"))?;
        principal::remove(&mut tx, id, now).await?;
        let event = Event::of("personal_token", &found.name, "delete");
        audit::record(&mut tx, by.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }

    /// What a token leaves of what its owner may do.
    pub async fn token_permissions(&self, conn: &mut Conn, id: PrincipalId) -> Result<Vec<Entry>> {
        permissions::of(conn, id).await
    }
}

fn check(new: &NewPersonalToken, now: Timestamp) -> Result<()> {
    let plain = |c: char| !c.is_control() && c != '/';
    let length = new.name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || !new.name.chars().all(plain) {
        return Err(Error::Invalid("the name of a token must have 1 to 64 characters and no '/'"));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::Invalid("expires_at must be in the future"));
    }
    permissions::check(&new.permissions, None)
}
