//! Robots and personal tokens, whose secrets were made for programs.

use roadstead_model::{Origin, PrincipalId};
use roadstead_storage::tables::personal_token;
use roadstead_storage::tables::principal::{self, Kind};
use roadstead_storage::tables::secret::{self, Secret};

use super::{Auth, find_account};
use crate::caller::Caller;
use crate::directory::BELIEVED;
use crate::error::{Error, Result};
use crate::secrets;

/// No principal has this id.
const NOBODY: PrincipalId = PrincipalId(0);

impl Auth {
    pub(super) async fn robot_caller(
        &self,
        prefix: &str,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let now = self.clock.now();
        let turn = self.lookups.acquire().await.map_err(|_| Error::TooManyLogins)?;
        let mut conn = self.db.read().await?;
        let robot = principal::find_named(&mut conn, Kind::Robot, name).await?;
        let robot = robot.filter(|robot| robot.works(now));
        // Asked also where there is none, so that the answer takes as long.
        let id = robot.as_ref().map_or(NOBODY, |robot| robot.id);
        let secrets = secret::of_principal(&mut conn, id).await?;
        drop((conn, turn));
        let robot = robot.ok_or(Error::BadCredentials)?;
        let working: Vec<Secret> = secrets.into_iter().filter(|s| s.works(now)).collect();
        let generated = secrets::verifier(password);
        let found = working.iter().find(|secret| secret.verifier == generated);
        let found = match found {
            Some(found) => found,
            None => self.chosen_secret(name, &working, password, &origin).await?,
        };
        self.note_use(found).await?;
        Ok(Caller::principal(robot, prefix, origin).proven_by(found))
    }

    /// The secret among those that people chose which this password is.
    async fn chosen_secret<'a>(
        &self,
        name: &str,
        secrets: &'a [Secret],
        password: &str,
        origin: &Origin,
    ) -> Result<&'a Secret> {
        for secret in secrets.iter().filter(|secret| !secret.verifier.starts_with("sha256:")) {
            let stored = Some(secret.verifier.as_str());
            match self.try_password(name, stored, password, origin).await {
                Ok(()) => return Ok(secret),
                Err(Error::BadCredentials) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::BadCredentials)
    }

    pub(super) async fn personal_token_caller(
        &self,
        prefix: &str,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let now = self.clock.now();
        let turn = self.lookups.acquire().await.map_err(|_| Error::TooManyLogins)?;
        let mut conn = self.db.read().await?;
        let owner = find_account(&mut conn, name).await?.map(|account| account.principal);
        let owner = owner.filter(|owner| owner.works(now));
        let verifier = secrets::verifier(password);
        let id = owner.as_ref().map_or(NOBODY, |owner| owner.id);
        let found = personal_token::with_verifier(&mut conn, id, &verifier).await?;
        let owner = owner.ok_or(Error::BadCredentials)?;
        let (id, secret) = found.ok_or(Error::BadCredentials)?;
        let via = principal::find(&mut conn, id).await?.filter(|via| via.works(now));
        let secret = secret::find(&mut conn, secret).await?;
        drop((conn, turn));
        let (Some(via), Some(secret)) = (via, secret) else {
            return Err(Error::BadCredentials);
        };
        self.require_provider(owner.id).await?;
        // The provider may have said something new of the owner.
        let owner = self.current_principal(owner.id, owner.epoch).await?;
        let owner = owner.ok_or(Error::BadCredentials)?;
        let owner = self.looked_up_again(owner, &origin, BELIEVED).await?;
        let owner = owner.ok_or(Error::BadCredentials)?;
        self.note_use(&secret).await?;
        Ok(Caller::principal(owner, prefix, origin).through(via).proven_by(&secret))
    }

    pub(crate) async fn note_use(&self, secret: &Secret) -> Result<()> {
        let now = self.clock.now();
        if secret.use_is_worth_a_note(now) {
            let mut tx = self.db.begin().await?;
            secret::note_use(&mut tx, secret.id, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Requires that a secret which was used before has not been taken back since.
    pub(crate) async fn require_secret(&self, id: i64) -> Result<Secret> {
        let found = secret::find(&mut self.db.read().await?, id).await?;
        found.filter(|secret| secret.works(self.clock.now())).ok_or(Error::InvalidToken)
    }
}
