//! What is sent, in the formats that a target can choose.

use aws_lc_rs::hmac;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use roadstead_auth::webhooks::Secrets;
use roadstead_model::webhook::Event;
use roadstead_model::{ProjectId, Timestamp};
use roadstead_storage::tables::webhook_delivery::Delivery;
use roadstead_storage::tables::webhook_target::Target;
use serde_json::{Value, json};

use super::client::Message;
use super::slack;

/// What the receiver knows a delivery by; one that comes again has the same.
const DELIVERY: HeaderName = HeaderName::from_static("x-roadstead-delivery");
const EVENT: HeaderName = HeaderName::from_static("x-roadstead-event");
/// The HMAC-SHA-256 of the body.
const SIGNATURE: HeaderName = HeaderName::from_static("x-roadstead-signature-256");

/// Where something happened.
pub(super) struct Place<'a> {
    /// The registry, as clients name it.
    pub(super) host: &'a str,
    pub(super) project: ProjectId,
}

/// What a target is sent; None when the row holds no event.
pub(super) fn message(
    delivery: &Delivery,
    target: &Target,
    secrets: &Secrets,
    place: &Place<'_>,
) -> Option<Message> {
    let mut event: Event = serde_json::from_str(&delivery.event).ok()?;
    event.event_data.complete(place.host);
    let (content_type, body) = match (target.kind.as_str(), target.payload_format.as_str()) {
        ("slack", _) => ("application/json", slack::body(&event)),
        (_, "CloudEvents") => ("application/cloudevents+json", cloud(&event, delivery, place)),
        _ => ("application/json", event.payload()),
    };
    let body = body.to_string();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(DELIVERY, HeaderValue::from_str(&delivery.uid).ok()?);
    headers.insert(EVENT, HeaderValue::from_static(event.kind.name()));
    if let Some(secret) = &secrets.secret {
        headers.insert(SIGNATURE, HeaderValue::from_str(&signature(secret, &body)).ok()?);
    }
    if let Some(text) = &secrets.auth_header {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(Message { headers, body })
}

/// `CloudEvents` 1.0, structured.
fn cloud(event: &Event, delivery: &Delivery, place: &Place<'_>) -> Value {
    json!({
        "specversion": "1.0",
        "id": delivery.uid,
        "source": format!("/projects/{}/webhook/policies/{}", place.project, delivery.policy),
        "type": event.kind.cloud_event(),
        "datacontenttype": "application/json",
        "time": Timestamp(event.occur_at.saturating_mul(1_000_000)).rfc3339(),
        "data": event.event_data,
        "requestid": event.request_id,
        "operator": event.operator,
    })
}

fn signature(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_the_body() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", "what do ya want for nothing?"), expected);
    }
}
