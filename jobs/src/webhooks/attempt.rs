//! One attempt to tell one row, and what becomes of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_model::Timestamp;
use roadstead_storage::Result;
use roadstead_storage::tables::webhook_delivery::{self, Delivery, Outcome, Status};
use roadstead_storage::tables::webhook_target::Target;
use roadstead_storage::tables::{webhook_policy, webhook_target};

use super::Teller;
use super::client::Trouble;
use super::payload::{self, Place};
use crate::Worker;

/// How long a row waits at most before it is tried again.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

impl Worker {
    /// Tells what was taken, and notes how that went; false when the target had better be left
    /// alone for a while.
    pub(super) async fn tell(
        &self,
        teller: &Teller,
        taken: &Delivery,
        target: i64,
    ) -> Result<bool> {
        let mut conn = self.db.read().await?;
        let target = webhook_target::find(&mut conn, target).await?;
        let project = webhook_policy::project_of(&mut conn, taken.policy).await?;
        drop(conn);
        let (Some(target), Some(project)) = (target, project) else {
            // With its rows.
            return Ok(true);
        };
        let place = Place { host: &teller.settings.host, project };
        let result = send(teller, taken, &target, &place).await;
        let now = self.clock.now();
        let outcome = outcome(teller, taken, &target, &result, now);
        let counter = match outcome.status {
            Status::Success => &teller.figures.told,
            Status::Pending => &teller.figures.tried,
            _ => &teller.figures.failed,
        };
        let mut tx = self.db.begin().await?;
        webhook_delivery::finish(&mut tx, taken, &outcome, now).await?;
        tx.commit().await?;
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(result.is_ok())
    }
}

/// Why a row was not told.
enum Failed {
    Trouble(Trouble),
    /// Something here is in the way.
    Own(&'static str),
}

async fn send(
    teller: &Teller,
    taken: &Delivery,
    target: &Target,
    place: &Place<'_>,
) -> Result<u16, Failed> {
    let opened = teller.sealer.open(target);
    let secrets =
        opened.map_err(|_| Failed::Own("its secrets cannot be opened; set them again"))?;
    let message = payload::message(taken, target, &secrets, place);
    let message = message.ok_or(Failed::Own("the event cannot be written"))?;
    let client = teller.client().await.map_err(|error| {
        tracing::error!(%error, "no client for webhooks: are there certificates on this machine?");
        Failed::Own("the server cannot set up TLS")
    })?;
    let sent = client.send(&target.address, target.skip_cert_verify, message).await;
    sent.map_err(Failed::Trouble)
}

fn outcome(
    teller: &Teller,
    taken: &Delivery,
    target: &Target,
    result: &Result<u16, Failed>,
    now: Timestamp,
) -> Outcome {
    let attempt = format!("attempt {} at {}", taken.attempts, origin(&target.address));
    let (why, lasting, asked) = match result {
        Ok(status) => {
            let line = format!("{attempt}: it answered {status}");
            return Outcome { status: Status::Success, next_at: None, line };
        }
        Err(Failed::Trouble(trouble)) => {
            (trouble.to_string(), trouble.is_lasting(), trouble.retry_after())
        }
        Err(Failed::Own(why)) => ((*why).to_owned(), true, None),
    };
    if lasting || taken.attempts >= teller.settings.attempts {
        let line = format!("{attempt}: {why}; given up");
        return Outcome { status: Status::Error, next_at: None, line };
    }
    let wait = backoff(teller.settings.backoff, taken.attempts).max(asked.unwrap_or_default());
    let wait = wait.min(LONGEST_WAIT);
    let line = format!("{attempt}: {why}; again in {}", seconds(wait));
    Outcome { status: Status::Pending, next_at: Some(now.after(wait)), line }
}

/// How long to wait after so many attempts.
pub(super) fn backoff(first: Duration, attempts: i64) -> Duration {
    let exponent = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    first.saturating_mul(4_u32.pow(exponent)).min(LONGEST_WAIT)
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// The address without its path, which may be a secret.
fn origin(address: &str) -> String {
    reqwest::Url::parse(address).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let first = Duration::from_secs(10);
        let waits: Vec<u64> = (1..=6).map(|n| backoff(first, n).as_secs()).collect();
        assert_eq!(waits, [10, 40, 160, 640, 2560, 3600]);
        assert_eq!(backoff(first, i64::MAX), LONGEST_WAIT);
    }

    #[test]
    fn the_path_of_an_address_is_not_in_the_log() {
        assert_eq!(
            origin("https://hooks.example.com/services/T/secret"),
            "https://hooks.example.com"
        );
        assert_eq!(origin("http://user:secret@h:81/?k=secret"), "http://h:81");
    }
}
