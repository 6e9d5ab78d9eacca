//! What an `id_token` must be before a word of it is believed (Core section 3.1.3.7).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, Header, Validation};
use roadstead_model::Timestamp;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::error::{Error, Result};
use super::keys::Keys;

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
/// Longer tokens are refused unread, in bytes; there is room for a few hundred groups.
const LONGEST: usize = 64 << 10;
/// The longest subject (Core section 2), in bytes.
const LONGEST_SUBJECT: usize = 255;

/// What a token is compared with.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// Of the authorization request; none where there was none.
    pub(super) nonce: Option<&'a str>,
    /// Came together with the `id_token`; none when the `id_token` came alone.
    pub(super) access_token: Option<&'a str>,
    /// Of the first `id_token`; none when this is the first.
    pub(super) subject: Option<&'a str>,
}

/// The header of a token that says it is from `issuer`; nothing is verified yet. It is looked at
/// first so that a token from anywhere else makes no request to the provider.
pub(super) fn header(token: &str, issuer: &str) -> Result<Header> {
    if token.len() > LONGEST {
        return Err(Error::InvalidToken("it is too long"));
    }
    let malformed = || Error::InvalidToken("it is no signed token, or its algorithm is not known");
    let header = jsonwebtoken::decode_header(token).map_err(|_| malformed())?;
    let payload = token.split('.').nth(1).and_then(|part| BASE64.decode(part).ok());
    let payload = payload.ok_or_else(malformed)?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| malformed())?;
    if Claims(claims).text("iss") != Some(issuer) {
        return Err(Error::InvalidToken("it is from another issuer"));
    }
    // Access tokens and logout tokens are signed by the same keys (RFC 9068, RFC 8725 section 3.11).
    if header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(Error::InvalidToken("it is a token for another purpose"));
    }
    if header.crit.is_some() {
        return Err(Error::InvalidToken("it has critical headers that are not known"));
    }
    Ok(header)
}

/// Verifies signature and claims at the time `now`. Keys come from `keys` only: what a header
/// brings along (`jwk`, `jku`, `x5c`, `x5u`) is not looked at, and the key's own type says which
/// algorithms there are.
pub(super) fn verify(
    token: &str,
    header: &Header,
    keys: &Keys,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Claims> {
    let candidates = keys.for_token(header.kid.as_deref(), header.alg);
    if candidates.is_empty() {
        return Err(Error::InvalidToken("no key of the provider can have signed it"));
    }
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    // Claims are compared below, with our own clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let verified = candidates
        .into_iter()
        .find_map(|key| jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).ok());
    let verified = verified.ok_or(Error::InvalidToken("its signature is wrong"))?;
    let claims = Claims(verified.claims);
    check_parties(&claims, expected)?;
    check_times(&claims, now.seconds())?;
    check_binding(&claims, header.alg, expected)?;
    Ok(claims)
}

fn check_parties(claims: &Claims, expected: &Expected<'_>) -> Result<()> {
    if claims.text("iss") != Some(expected.issuer) {
        return Err(Error::InvalidToken("it is from another issuer"));
    }
    let audience = claims.texts("aud");
    if !audience.contains(&expected.client_id) {
        return Err(Error::InvalidToken("it is for another audience"));
    }
    let authorized = claims.get("azp");
    if authorized.is_some_and(|party| party.as_str() != Some(expected.client_id))
        || audience.len() > 1 && authorized.is_none()
    {
        return Err(Error::InvalidToken("it was issued to another party"));
    }
    let subject = claims.text("sub").filter(|subject| subject.len() <= LONGEST_SUBJECT);
    let subject = subject.ok_or(Error::InvalidToken("it has no usable subject"))?;
    if expected.subject.is_some_and(|known| known != subject) {
        return Err(Error::InvalidToken("it is about another person"));
    }
    // A logout token, which is no proof of a login (Back-Channel Logout 1.0 section 2.4).
    if claims.get("events").is_some() {
        return Err(Error::InvalidToken("it is a token for another purpose"));
    }
    Ok(())
}

fn check_times(claims: &Claims, now: i64) -> Result<()> {
    let required = |name| claims.seconds(name).ok_or(Error::InvalidToken("it lacks exp or iat"));
    if required("exp")?.saturating_add(LEEWAY) <= now {
        return Err(Error::InvalidToken("it has expired"));
    }
    let not_before = match claims.get("nbf") {
        None => i64::MIN,
        Some(_) => claims.seconds("nbf").ok_or(Error::InvalidToken("its nbf is no time"))?,
    };
    let latest = now.saturating_add(LEEWAY);
    if required("iat")? > latest || not_before > latest {
        return Err(Error::InvalidToken("it is from the future; are both clocks right?"));
    }
    Ok(())
}

/// What ties the token to this login: the nonce, and the access token beside it.
fn check_binding(claims: &Claims, algorithm: Algorithm, expected: &Expected<'_>) -> Result<()> {
    if let Some(nonce) = expected.nonce {
        let found = claims.text("nonce").unwrap_or_default();
        verify_slices_are_equal(nonce.as_bytes(), found.as_bytes())
            .map_err(|_| Error::InvalidToken("its nonce is not the one of this login"))?;
    }
    if let (Some(hash), Some(token)) = (claims.get("at_hash"), expected.access_token)
        && hash.as_str() != Some(&half_hash(algorithm, token))
    {
        return Err(Error::InvalidToken("it belongs to another access token"));
    }
    Ok(())
}

/// The left half of a hash (Core section 3.1.3.6), which goes with the signature's.
fn half_hash(algorithm: Algorithm, token: &str) -> String {
    use Algorithm::{ES256, ES384, PS256, PS384, RS256, RS384};
    let hash = match algorithm {
        RS256 | PS256 | ES256 => &digest::SHA256,
        RS384 | PS384 | ES384 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    let digest = digest::digest(hash, token.as_bytes());
    let (left, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
    BASE64.encode(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_hash_is_the_one_of_the_specification() {
        // Core appendix A.4 has it for a code, which is hashed in the same way.
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(half_hash(Algorithm::RS256, code), "LDktKdoQak3Pk0cnXxCltA");
    }
}
