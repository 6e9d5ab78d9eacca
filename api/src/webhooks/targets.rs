//! To whom a webhook tells: addresses, and their secrets.

use http::{HeaderValue, Uri};
use roadstead_auth::webhooks::{Sealer, Secrets};
use roadstead_model::Timestamp;
use roadstead_storage::Tx;
use roadstead_storage::tables::webhook_target::{self, Target};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shapes::{FORMATS, KINDS};
use crate::Api;
use crate::body::null_as_default;
use crate::failure::Failure;

/// The longest address, and the longest secret, in bytes.
const LONGEST: usize = 4096;

/// Harbor's `WebhookTargetObject`, as it is sent.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct WebhookTargetUpdate {
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(deserialize_with = "null_as_default")]
    address: String,
    #[serde(deserialize_with = "null_as_default")]
    auth_header: String,
    #[serde(deserialize_with = "null_as_default")]
    skip_cert_verify: bool,
    #[serde(deserialize_with = "null_as_default")]
    payload_format: String,
    /// Ours: what payloads are signed with. Without it the address keeps the one it has; an empty
    /// one takes it away.
    secret: Option<String>,
}

/// Harbor's `WebhookTargetObject`.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookTargetObject {
    #[serde(rename = "type")]
    kind: String,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_header: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skip_cert_verify: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    payload_format: String,
    /// Ours: whether payloads are signed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_secret: bool,
}

/// A target as it is to be. Its id and its policy mean nothing yet.
pub(super) struct Wanted {
    target: Target,
    auth_header: Option<String>,
    /// None for the one that the address has.
    secret: Option<String>,
}

impl WebhookTargetUpdate {
    pub(super) fn checked(self) -> Result<Wanted, Failure> {
        let Self { kind, address, auth_header, skip_cert_verify, payload_format, secret } = self;
        let bad = |message: &str| Err(Failure::bad_request(message));
        if !KINDS.contains(&kind.as_str()) {
            return bad("the type of a target must be http or slack");
        }
        let payload_format = match (kind.as_str(), payload_format.as_str()) {
            ("slack", "") => String::new(),
            ("slack", _) => return bad("a target of the type slack has no payload_format"),
            (_, "") => FORMATS[0].to_owned(),
            (_, format) if FORMATS.contains(&format) => payload_format,
            _ => return bad("payload_format must be Default or CloudEvents"),
        };
        let address = check_address(&address)?;
        if auth_header.len() > LONGEST || HeaderValue::from_str(&auth_header).is_err() {
            return bad("auth_header must be the value of a header");
        }
        if secret.as_ref().is_some_and(|secret| secret.len() > LONGEST || secret.contains('\0')) {
            return bad("the secret of a target is too long, or has a NUL character");
        }
        let target = Target {
            id: 0,
            policy: 0,
            kind,
            address,
            payload_format,
            skip_cert_verify,
            auth_header: None,
            secret: None,
        };
        let auth_header = Some(auth_header).filter(|text| !text.is_empty());
        Ok(Wanted { target, auth_header, secret })
    }
}

/// Where it leads is looked at when something is sent: names change their addresses.
fn check_address(address: &str) -> Result<String, Failure> {
    let bad = |message: &str| Err(Failure::bad_request(message));
    let address = address.trim();
    // Harbor takes an address without a scheme for http.
    let full =
        if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let parsed = full.parse::<Uri>().ok().filter(|_| full.len() <= LONGEST);
    let Some(uri) = parsed.filter(|uri| uri.host().is_some_and(|host| !host.is_empty())) else {
        return bad("the address of a target must be a URL");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return bad("the address of a target must begin with http:// or https://");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return bad("the address of a target is shown; credentials belong into auth_header");
    }
    Ok(full)
}

/// A target as it is shown; with a sealer to whoever may see what is sent as `Authorization`.
pub(super) fn answer(target: &Target, sealer: Option<&Sealer>) -> WebhookTargetObject {
    let opened = sealer.map(|sealer| {
        sealer.open(target).unwrap_or_else(|error| {
            tracing::error!(%error, target = target.id, "the secrets of a webhook do not open");
            Secrets::default()
        })
    });
    WebhookTargetObject {
        kind: target.kind.clone(),
        address: target.address.clone(),
        auth_header: opened.and_then(|secrets| secrets.auth_header),
        skip_cert_verify: target.skip_cert_verify,
        payload_format: target.payload_format.clone(),
        has_secret: target.secret.is_some(),
    }
}

/// Makes the targets of a policy what they are to be. One whose address stays keeps its id, its
/// secret, and what waits for it; so does one whose address alone changes, but for the secret.
pub(super) async fn put(
    api: &Api,
    tx: &mut Tx,
    policy: i64,
    wanted: Vec<Wanted>,
    now: Timestamp,
) -> Result<(), Failure> {
    let sealer = api.auth.webhooks();
    let mut before = webhook_target::of(tx, &[policy]).await?;
    let mut kept = Vec::with_capacity(wanted.len());
    for new in &wanted {
        let (kind, address) = (&new.target.kind, &new.target.address);
        let same = before.iter().position(|old| old.kind == *kind && old.address == *address);
        kept.push(same.map(|at| before.remove(at)));
    }
    for (position, (new, same)) in (0..).zip(wanted.into_iter().zip(kept)) {
        let known = same.as_ref().map(|old| sealer.open(old)).transpose().unwrap_or_default();
        let known = known.unwrap_or_default().secret;
        let secret = new.secret.or(known).filter(|secret| !secret.is_empty());
        let secrets = Secrets { auth_header: new.auth_header, secret };
        let old = same.or_else(|| {
            let of_kind = before.iter().position(|old| old.kind == new.target.kind);
            of_kind.map(|at| before.remove(at))
        });
        let target = Target { policy, id: old.map_or(0, |old| old.id), ..new.target };
        let id = if target.id == 0 {
            webhook_target::insert(tx, position, &target).await?
        } else {
            webhook_target::update(tx, position, &target).await?;
            target.id
        };
        sealer.put(tx, id, &secrets).await?;
    }
    for old in before {
        webhook_target::remove(tx, old.id, now).await?;
    }
    Ok(())
}
