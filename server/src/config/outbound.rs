//! The settings of what the server sends by itself.

use std::time::Duration;

use roadstead_jobs::webhooks;

use super::at_least;
use crate::proxies;
use crate::settings::Loaded;

pub(super) fn webhooks(loaded: &Loaded) -> anyhow::Result<webhooks::Settings> {
    let least = Duration::from_millis(100);
    Ok(webhooks::Settings {
        networks: loaded.parse("webhook_networks", proxies::networks)?,
        attempts: loaded.parse("webhook_attempts", attempts)?,
        backoff: at_least(loaded, "webhook_backoff", least)?,
        timeout: at_least(loaded, "webhook_timeout", least)?,
        // Known when the server listens.
        host: String::new(),
    })
}

fn attempts(text: &str) -> Result<i64, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=10).contains(number));
    number.ok_or("must be a number from 1 to 10")
}
