//! Verifying passwords: slow on purpose, so bounded in number and remembered for a moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, hmac};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::randomness;

mod threads;

use threads::Threads;

/// How long a verified password is remembered. A changed password does not wait for it: the
/// stored hash is part of what is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(30);
/// How long it is known that a password was right, so that guessing by others does not keep out
/// who uses it.
pub(crate) const FAMILIAR: Duration = Duration::from_hours(1);
/// How many are remembered at most.
const MOST_REMEMBERED: usize = 10_000;
/// How many logins may wait for their turn.
const LONGEST_QUEUE: usize = 64;
/// Verified when there is no such user, so that the answer takes as long: a hash, with the same
/// parameters as all others, of a random string that nobody kept.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Z3Jvd25hbmRmb3Jnb3R0ZW4$\
                      4Oit2l1VYg3bqO0bX8mQ0B7s8cVb0m0oFQb3o1yN9yM";
/// Longer ones are refused unread.
const LONGEST_PASSWORD: usize = 1024;

/// Verifies passwords against argon2id hashes (19 MiB, two passes; RFC 9106, OWASP).
pub(crate) struct Passwords {
    turns: Semaphore,
    threads: Threads,
    waiting: AtomicUsize,
    key: hmac::Key,
    remembered: Mutex<HashMap<[u8; 32], Instant>>,
    attempts: Attempts,
    scratch: Arc<Scratch>,
}

type Attempts = Mutex<HashMap<[u8; 32], Arc<OnceCell<bool>>>>;

/// One of those who wait for the same comparison: of the same password with the same hash.
struct Attempt<'a> {
    attempts: &'a Attempts,
    trace: [u8; 32],
    cell: Arc<OnceCell<bool>>,
}

impl<'a> Attempt<'a> {
    fn join(attempts: &'a Attempts, trace: [u8; 32]) -> Self {
        let mut running = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = running.entry(trace).or_default().clone();
        Self { attempts, trace, cell }
    }
}

impl Drop for Attempt<'_> {
    /// The last to leave forgets it; who comes after the end begins another.
    fn drop(&mut self) {
        let mut running = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = running.get(&self.trace).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if is_this && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            running.remove(&self.trace);
        }
    }
}

/// The 19 MiB that a verification works in. One after the other they use the same, instead of
/// leaving as much behind on every thread that ever verified a password.
#[derive(Default)]
struct Scratch(Mutex<Option<Vec<Block>>>);

impl Scratch {
    fn take(&self, blocks: usize) -> Vec<Block> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = kept.take().unwrap_or_default();
        memory.resize(blocks, Block::new());
        memory
    }

    fn give_back(&self, memory: Vec<Block>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
    }
}

impl Passwords {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let mut key = [0; 32];
        randomness::fill(&mut key)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).clamp(1, 4);
        Ok(Arc::new(Self {
            turns: Semaphore::new(threads),
            threads: Threads::start(threads)?,
            waiting: AtomicUsize::new(0),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            remembered: Mutex::new(HashMap::new()),
            attempts: Mutex::default(),
            scratch: Arc::default(),
        }))
    }

    /// Whether `password` hashes to what is stored. Takes as long when nothing is stored.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::TooManyLogins`].
    pub(crate) async fn verify(
        self: &Arc<Self>,
        stored: Option<&str>,
        password: &str,
    ) -> Result<()> {
        if password.is_empty() || password.len() > LONGEST_PASSWORD {
            return Err(Error::BadCredentials);
        }
        let known = stored.is_some_and(|stored| !stored.is_empty());
        let stored = stored.filter(|stored| !stored.is_empty()).unwrap_or(NOBODY);
        if known && self.knows(stored, password, REMEMBERED) {
            return Ok(());
        }
        let trace = self.trace(stored, password);
        // Parallel logins of one client: the first does the work for the others.
        let attempt = Attempt::join(&self.attempts, trace);
        let verified = attempt.cell.get_or_try_init(|| self.compare(stored, password)).await?;
        if !known || !verified {
            return Err(Error::BadCredentials);
        }
        self.remember(trace);
        Ok(())
    }

    /// Waits for a turn, and hashes.
    async fn compare(&self, stored: &str, password: &str) -> Result<bool> {
        let _turn = self.turn().await?;
        if self.knows(stored, password, REMEMBERED) {
            return Ok(true);
        }
        let (stored, password) = (stored.to_owned(), password.to_owned());
        let scratch = self.scratch.clone();
        let verified = self.threads.run(move || matches(&stored, &password, &scratch)).await?;
        Ok(verified == Some(true))
    }

    /// Whether the password was right not long ago; costs nothing to ask.
    pub(crate) fn is_familiar(&self, stored: Option<&str>, password: &str) -> bool {
        stored.is_some_and(|stored| self.knows(stored, password, FAMILIAR))
    }

    /// Remembers a password that was right, of which no slow hash is stored; `stored` is what
    /// stands for it.
    pub(crate) fn note_right(&self, stored: &str, password: &str) {
        self.remember(self.trace(stored, password));
    }

    /// Hashes a new password in turn with the logins.
    pub(crate) async fn hash(self: &Arc<Self>, password: &str) -> Result<String> {
        let _turn = self.turn().await?;
        let password = password.to_owned();
        self.threads.run(move || hash_now(&password)).await?
    }

    fn knows(&self, stored: &str, password: &str, at_most: Duration) -> bool {
        let trace = self.trace(stored, password);
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&trace).is_some_and(|since| since.elapsed() < at_most)
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if waiting >= LONGEST_QUEUE {
            return Err(Error::TooManyLogins);
        }
        self.turns.acquire().await.map_err(|_| Error::TooManyLogins)
    }

    /// What is remembered of a password: useless without this process's key.
    pub(crate) fn trace(&self, stored: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(stored.as_bytes());
        context.update(&[0]);
        context.update(password.as_bytes());
        let mut trace = [0; 32];
        trace.copy_from_slice(context.sign().as_ref());
        trace
    }

    fn remember(&self, trace: [u8; 32]) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, since| since.elapsed() < FAMILIAR);
        }
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(trace, Instant::now());
        }
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(19 << 10, 2, 1, None).map_err(|_| Error::Crypto("argon2"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<String> {
    let hash = argon2()?
        .hash_password(password.as_bytes())
        .map_err(|_| Error::Crypto("a password could not be hashed"))?;
    Ok(hash.to_string())
}

/// Whether a text has an upper-case letter, a lower-case letter and a digit.
pub(crate) fn has_every_class(text: &str) -> bool {
    let has = |class: fn(&char) -> bool| text.chars().any(|c| class(&c));
    has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit)
}

/// Harbor's rule for passwords, and for secrets that people choose.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn check(password: &str) -> Result<()> {
    if (8..=128).contains(&password.chars().count()) && has_every_class(password) {
        Ok(())
    } else {
        Err(Error::Invalid(
            "the password must have 8 to 128 characters with at least one upper-case letter, one \
             lower-case letter and one digit",
        ))
    }
}

/// Hashes a new password with a random salt, as a PHC string.
pub(crate) async fn hash(password: &str) -> Result<String> {
    let password = password.to_owned();
    spawn_blocking(move || hash_now(&password)).await.map_err(|_| Error::Crypto("cut off"))?
}

/// Whether the password hashes to what is stored; None when that is no argon2id hash. The
/// parameters are the stored hash's own.
fn matches(stored: &str, password: &str, scratch: &Scratch) -> Option<bool> {
    let parsed = PasswordHash::new(stored).ok()?;
    let (salt, expected) = (parsed.salt?, parsed.hash?);
    let params = Params::try_from(&parsed).ok()?;
    let mut memory = scratch.take(params.block_count());
    let mut computed = vec![0; expected.as_bytes().len()];
    let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            password.as_bytes(),
            salt.as_ref(),
            &mut computed,
            &mut memory,
        );
    scratch.give_back(memory);
    hashed.ok()?;
    Some(constant_time::verify_slices_are_equal(&computed, expected.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_passes_and_a_changed_one_is_forgotten_at_once() {
        let passwords = Passwords::new().unwrap();
        let before = hash("Correct1").await.unwrap();
        assert!(before.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!passwords.is_familiar(Some(&before), "Correct1"));
        for _ in 0..2 {
            passwords.verify(Some(&before), "Correct1").await.unwrap();
        }
        assert!(passwords.is_familiar(Some(&before), "Correct1"));
        for wrong in ["correct1", "", "Correct1 ", &"x".repeat(5000)] {
            assert!(passwords.verify(Some(&before), wrong).await.is_err());
            assert!(!passwords.is_familiar(Some(&before), wrong));
        }
        assert!(PasswordHash::new(NOBODY).is_ok());
        assert!(passwords.verify(None, "Correct1").await.is_err());
        assert!(passwords.verify(Some(""), "Correct1").await.is_err());
        let after = passwords.hash("Changed1").await.unwrap();
        assert!(passwords.verify(Some(&after), "Correct1").await.is_err());
    }

    #[tokio::test]
    async fn a_flood_of_logins_is_refused_instead_of_queued_without_bound() {
        let passwords = Passwords::new().unwrap();
        let stored = hash("Correct1").await.unwrap();
        let attempts = (0..200).map(|n| {
            let (passwords, stored) = (passwords.clone(), stored.clone());
            tokio::spawn(async move { passwords.verify(Some(&stored), &format!("wrong{n}")).await })
        });
        let mut refused = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            if matches!(attempt.await.unwrap(), Err(Error::TooManyLogins)) {
                refused += 1;
            }
        }
        assert!(refused >= 100, "{refused}");
        passwords.verify(Some(&stored), "Correct1").await.unwrap();
    }

    #[tokio::test]
    async fn a_thousand_logins_with_one_password_wait_for_one_comparison() {
        let passwords = Passwords::new().unwrap();
        let stored = hash("Correct1").await.unwrap();
        for (password, right) in [("Correct1", true), ("Wrong1", false)] {
            let attempts = (0..1000).map(|_| {
                let (passwords, stored) = (passwords.clone(), stored.clone());
                tokio::spawn(async move { passwords.verify(Some(&stored), password).await })
            });
            for attempt in attempts.collect::<Vec<_>>() {
                let answer = attempt.await.unwrap();
                assert!(matches!(answer, Ok(()) | Err(Error::BadCredentials)), "{answer:?}");
                assert_eq!(answer.is_ok(), right);
            }
        }
        assert!(passwords.attempts.lock().unwrap().is_empty());
    }
}
