//! Guessing passwords is slow: each account, and each network, has a bucket of attempts that
//! fills again with time. Logins with a password that was right lately, robots with generated
//! secrets, sessions and tokens do not draw from it, so nobody can lock them out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;

use crate::error::{Error, Result};

/// Attempts at one account in a minute.
const OF_ACCOUNT: f64 = 10.0;
/// Attempts from one network in a minute; many people may sit behind one address.
const OF_NETWORK: f64 = 300.0;
const MINUTE: f64 = 60.0;
/// How many buckets are kept at most, of accounts and of networks each.
const MOST_BUCKETS: usize = 100_000;

/// The buckets that are not full.
#[derive(Default)]
pub(crate) struct Throttle {
    accounts: Mutex<Buckets>,
    networks: Mutex<Buckets>,
}

/// An attempt that was let through. It counts, unless it turns out right.
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    account: [u8; 16],
    network: [u8; 16],
}

#[derive(Default)]
struct Buckets(HashMap<[u8; 16], Bucket>);

struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, most: f64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + elapsed * most / MINUTE).min(most);
        self.at = now;
    }
}

impl Buckets {
    /// Takes one attempt; or says how long to wait for the next.
    fn take(&mut self, key: [u8; 16], most: f64, now: Instant) -> Result<(), Duration> {
        if self.0.len() >= MOST_BUCKETS && !self.0.contains_key(&key) {
            self.make_room(most, now);
        }
        let bucket = self.0.entry(key).or_insert(Bucket { left: most, at: now });
        bucket.refill(most, now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) * MINUTE / most));
        }
        bucket.left -= 1.0;
        Ok(())
    }

    fn give_back(&mut self, key: [u8; 16], most: f64) {
        if let Some(bucket) = self.0.get_mut(&key) {
            bucket.left = (bucket.left + 1.0).min(most);
        }
    }

    /// Full buckets say nothing; if there are none, those that are nearly full go.
    fn make_room(&mut self, most: f64, now: Instant) {
        for bucket in self.0.values_mut() {
            bucket.refill(most, now);
        }
        self.0.retain(|_, bucket| bucket.left < most);
        if self.0.len() >= MOST_BUCKETS {
            self.0.retain(|_, bucket| bucket.left < most / 2.0);
        }
        if self.0.len() >= MOST_BUCKETS {
            self.0.clear();
        }
    }
}

impl Throttle {
    /// Lets an attempt at an account through, from the address of a peer.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn enter(&self, account: &str, address: &str) -> Result<Attempt<'_>> {
        let now = Instant::now();
        let (account, network) = (key(&account.to_lowercase()), key(&network(address)));
        let refuse = |wait: Duration| Error::TooManyAttempts(wait.as_secs() + 1);
        lock(&self.networks).take(network, OF_NETWORK, now).map_err(refuse)?;
        if let Err(wait) = lock(&self.accounts).take(account, OF_ACCOUNT, now) {
            lock(&self.networks).give_back(network, OF_NETWORK);
            return Err(refuse(wait));
        }
        Ok(Attempt { throttle: self, account, network })
    }

    /// Lets something that anybody may ask for, and that costs or tells something each time,
    /// through: as often for a network as guesses at one account.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn admit_stranger(&self, address: &str) -> Result<()> {
        // No account has a name with a colon.
        self.enter(&format!(":{}", network(address)), address).map(drop)
    }
}

impl Attempt<'_> {
    /// The attempt was right, or was not made: it does not count.
    pub(crate) fn forgive(self) {
        lock(&self.throttle.accounts).give_back(self.account, OF_ACCOUNT);
        lock(&self.throttle.networks).give_back(self.network, OF_NETWORK);
    }
}

fn lock(buckets: &Mutex<Buckets>) -> std::sync::MutexGuard<'_, Buckets> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(text: &str) -> [u8; 16] {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.as_ref()[..16]);
    key
}

/// The network that an address belongs to: 24 bits of IPv4, 64 of IPv6.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V4(v4)) => format!("{:?}", &v4.octets()[..3]),
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => format!("{:?}", &v4.octets()[..3]),
            None => format!("{:?}", &v6.segments()[..4]),
        },
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thousand_guesses_in_a_moment_ten_are_evaluated() {
        let throttle = Throttle::default();
        let passed =
            (0..1000).filter(|n| throttle.enter("alice", &format!("10.0.{}.1", n % 250)).is_ok());
        assert_eq!(passed.count(), 10);
        assert!(matches!(throttle.enter("Alice", "192.0.2.1"), Err(Error::TooManyAttempts(_))));
        assert!(throttle.enter("bob", "192.0.2.1").is_ok());
    }

    #[test]
    fn what_was_right_does_not_count() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.enter("alice", "10.0.0.1").unwrap().forgive();
        }
    }

    #[test]
    fn a_network_that_tries_many_accounts_is_slowed_down_and_memory_is_bounded() {
        let throttle = Throttle::default();
        let passed = (0..1000).filter(|n| throttle.enter(&format!("user{n}"), "10.0.0.7").is_ok());
        assert_eq!(passed.count(), 300);
        for n in 0_u32..200_000 {
            let address = std::net::Ipv4Addr::from(n << 8).to_string();
            let _ = throttle.enter(&format!("user{n}"), &address);
        }
        assert!(lock(&throttle.accounts).0.len() <= MOST_BUCKETS);
        assert!(lock(&throttle.networks).0.len() <= MOST_BUCKETS);
    }

    #[test]
    fn a_network_of_strangers_is_slowed_down_and_others_are_not() {
        let throttle = Throttle::default();
        let passed = (0..100).filter(|n| throttle.admit_stranger(&format!("10.0.0.{n}")).is_ok());
        assert_eq!(passed.count(), 10);
        assert!(throttle.admit_stranger("10.0.1.1").is_ok());
        assert!(throttle.enter("alice", "10.0.0.1").is_ok());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        assert_eq!(network("10.1.2.3"), network("10.1.2.250"));
        assert_eq!(network("::ffff:10.1.2.3"), network("10.1.2.4"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8::1"));
    }
}
