//! Whether the provider still knows a person: asked with the refresh token of their last login,
//! when what they come with is used, so that who is removed there is gone here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use roadstead_model::{PrincipalId, Timestamp};
use roadstead_storage::tables::oidc_account::{self, OidcAccount};
use roadstead_storage::tables::session;
use roadstead_storage::{Turn, Tx};
use tokio::sync::{Mutex as InTurn, OwnedMutexGuard};
use tokio::time::timeout;

use super::refresh_token_context;
use crate::authenticate::Auth;
use crate::error::{Error, Result};
use crate::oidc::{self, Login};

/// How long the provider's word counts before it is asked again.
const WORD_COUNTS: Duration = Duration::from_mins(5);
/// How long it counts when the provider cannot be asked.
const LAST_WORD_COUNTS: Duration = Duration::from_hours(1);
/// How long asking may take; longer than every request of it together.
const ASKING: Duration = Duration::from_mins(2);
/// How long the provider is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(30);
/// How long one waits for the answer to somebody else's question about the same person.
const PATIENCE: Duration = Duration::from_secs(10);
/// With more turns than this, those that nobody has any more are forgotten.
const MANY_TURNS: usize = 1000;

/// Who of this process asks about a person; the others wait for the answer.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<PrincipalId, Weak<InTurn<()>>>>);

impl Turns {
    /// Waits until nobody else asks about the person; none when that takes too long.
    pub(super) async fn take(&self, id: PrincipalId) -> Option<OwnedMutexGuard<()>> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > MANY_TURNS {
                turns.retain(|_, turn| turn.strong_count() > 0);
            }
            let known = turns.get(&id).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(InTurn::new(()));
                turns.insert(id, Arc::downgrade(&turn));
                turn
            })
        };
        timeout(PATIENCE, turn.lock_owned()).await.ok()
    }
}

/// How a person stands by the provider's last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Known.
    Known,
    /// The provider must be asked.
    Unsure,
    /// The provider must be asked and cannot, or somebody else is asking.
    Unanswered,
    /// No longer known.
    Ended,
}

impl Standing {
    fn of(account: &OidcAccount, now: Timestamp) -> Self {
        let counts = |length| now < account.checked_at.after(length);
        if counts(WORD_COUNTS) {
            return Self::Known;
        }
        match (&account.refresh_token, counts(LAST_WORD_COUNTS)) {
            (Some(_), _) if now >= account.ask_again_at => Self::Unsure,
            (_, true) => Self::Known,
            (Some(_), false) => Self::Unanswered,
            (None, false) => Self::Ended,
        }
    }
}

impl Auth {
    /// Requires that the provider knows the person: by its word of the last 5 minutes, or, when it
    /// does not answer, of the last hour. Does nothing for everybody who is not a provider's
    /// person. Groups are up to date afterwards, so that whoever read the principal before reads it
    /// again.
    ///
    /// # Errors
    /// [`Error::LoginEnded`], until the next login with a browser; [`Error::Directory`] when the
    /// provider has not answered for an hour.
    pub(crate) async fn require_provider(&self, id: PrincipalId) -> Result<()> {
        let account = oidc_account::find(&mut self.db.read().await?, id).await?;
        let Some(account) = account else {
            return Ok(());
        };
        if !self.configuration().await?.is_oidc() {
            return Err(Error::LoginEnded);
        }
        match Standing::of(&account, self.clock.now()) {
            Standing::Known => Ok(()),
            Standing::Ended => Err(Error::LoginEnded),
            Standing::Unsure | Standing::Unanswered => {
                let auth = self.clone();
                // A task of its own: a client that goes away does not lose the next refresh token.
                let task = tokio::spawn(async move { auth.ask_about(id).await });
                task.await.unwrap_or_else(|_| Err(silent()))
            }
        }
    }

    /// Asks, unless somebody else did while this waited for its turn.
    async fn ask_about(&self, id: PrincipalId) -> Result<()> {
        let turn = self.oidc.turns.take(id).await;
        let account = oidc_account::find(&mut self.db.read().await?, id).await?;
        let account = account.ok_or(Error::LoginEnded)?;
        let now = self.clock.now();
        match Standing::of(&account, now) {
            Standing::Known => return Ok(()),
            Standing::Ended => return Err(Error::LoginEnded),
            Standing::Unanswered => return Err(silent()),
            Standing::Unsure if turn.is_none() => return last_word(&account, now),
            Standing::Unsure => {}
        }
        let provider = match self.oidc_provider().await {
            // Another provider must not get the token, and does not know the person.
            Ok(provider) if provider.settings().endpoint != account.issuer => {
                return Err(Error::LoginEnded);
            }
            Ok(provider) => provider,
            Err(Error::Directory(error)) => {
                tracing::warn!(error, "the OIDC provider cannot be asked about people");
                return last_word(&account, now);
            }
            Err(error) => return Err(error),
        };
        // Another replica may be asking; the claim is what this one is known by.
        let claim = now.after(ASKING);
        let mut tx = self.db.begin().await?;
        let claimed = oidc_account::claim(&mut tx, id, claim, now).await?;
        tx.commit().await?;
        if !claimed {
            return last_word(&account, now);
        }
        match provider.refresh(&self.refresh_token(&account)?, &account.subject).await {
            Ok(login) => self.note_known(&account, claim, &login).await,
            Err(oidc::Error::Ended) => self.note_ended(&account, claim).await,
            Err(error) => {
                tracing::warn!(%error, "the OIDC provider says nothing about a person");
                let mut tx = self.db.begin().await?;
                let later = self.clock.now().after(PAUSE);
                oidc_account::note_silence(&mut tx, id, claim, later).await?;
                tx.commit().await?;
                last_word(&account, now)
            }
        }
    }

    pub(super) fn refresh_token(&self, account: &OidcAccount) -> Result<String> {
        let sealed = account.refresh_token.as_deref().unwrap_or_default();
        let token = self.secret.open(sealed, &refresh_token_context(account.principal))?;
        String::from_utf8(token).map_err(|_| Error::WrongSecretKey)
    }

    async fn note_known(
        &self,
        account: &OidcAccount,
        claim: Timestamp,
        login: &Login,
    ) -> Result<()> {
        let id = account.principal;
        let context = refresh_token_context(id);
        let token = login.refresh_token.as_ref();
        let token = token.map(|token| self.secret.seal(token.as_bytes(), &context)).transpose()?;
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let noted = oidc_account::note_answer(&mut tx, id, claim, token.as_deref(), now).await?;
        if noted {
            super::people::follow(&mut tx, id, &login.identity, now).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn note_ended(&self, account: &OidcAccount, claim: Timestamp) -> Result<()> {
        let id = account.principal;
        let mut tx = self.db.begin().await?;
        let ended = oidc_account::note_answer(&mut tx, id, claim, None, Timestamp(0)).await?;
        if ended {
            session::remove_of_provider(&mut tx, id).await?;
            super::people::record_end(&mut tx, id, self.clock.now()).await?;
        }
        tx.commit().await?;
        // Otherwise the person has logged in anew since.
        if ended { Err(Error::LoginEnded) } else { Ok(()) }
    }
}

/// Has the provider asked when something of a person is used next.
pub(crate) async fn doubt(tx: &mut Tx, id: PrincipalId, now: Timestamp) -> Result<()> {
    let word = i64::try_from(WORD_COUNTS.as_micros()).unwrap_or(i64::MAX);
    Ok(oidc_account::doubt(tx, id, Timestamp(now.0.saturating_sub(word))).await?)
}

/// What the provider said last counts for an hour.
fn last_word(account: &OidcAccount, now: Timestamp) -> Result<()> {
    let counts = now < account.checked_at.after(LAST_WORD_COUNTS);
    if counts { Ok(()) } else { Err(silent()) }
}

fn silent() -> Error {
    Error::Directory("the OIDC provider has said nothing about a person for an hour".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100 * 60 * 60 * 1_000_000);

    fn standing(minutes_ago: i64, token: bool, ask_in_minutes: i64) -> Standing {
        let minutes = |minutes: i64| Timestamp(NOW.0 + minutes * 60 * 1_000_000);
        let account = OidcAccount {
            principal: PrincipalId(1),
            issuer: String::new(),
            subject: String::new(),
            secret: Vec::new(),
            refresh_token: token.then(Vec::new),
            checked_at: minutes(-minutes_ago),
            ask_again_at: minutes(ask_in_minutes),
            created_at: NOW,
            updated_at: NOW,
        };
        Standing::of(&account, NOW)
    }

    #[test]
    fn the_providers_word_counts_for_5_minutes_and_for_an_hour_when_it_cannot_be_asked() {
        assert_eq!(standing(4, true, 0), Standing::Known);
        assert_eq!(standing(6, true, 0), Standing::Unsure);
        assert_eq!(standing(6, true, 1), Standing::Known);
        assert_eq!(standing(59, true, 1), Standing::Known);
        assert_eq!(standing(61, true, 1), Standing::Unanswered);
        assert_eq!(standing(61, true, 0), Standing::Unsure);
        // Without a refresh token it cannot be asked at all.
        assert_eq!(standing(59, false, 0), Standing::Known);
        assert_eq!(standing(61, false, 0), Standing::Ended);
    }

    #[tokio::test]
    async fn one_asks_about_a_person_and_nobody_waits_for_another_one() {
        let turns = Turns::default();
        let first = turns.take(PrincipalId(1)).await;
        assert!(first.is_some() && turns.take(PrincipalId(2)).await.is_some());
        let moment = Duration::from_millis(50);
        assert!(timeout(moment, turns.take(PrincipalId(1))).await.is_err());
        drop(first);
        assert!(turns.take(PrincipalId(1)).await.is_some());
        for id in 0..5000 {
            turns.take(PrincipalId(id)).await;
        }
        assert!(turns.0.lock().unwrap().len() <= MANY_TURNS + 1);
    }

    #[test]
    fn whom_the_provider_no_longer_knows_has_ended() {
        assert_eq!(standing(100 * 60, false, 0), Standing::Ended);
    }
}
