//! The keys that a provider signs with: its JSON Web Key Set (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Sets larger than this are cut off; a provider has a handful of keys.
const MOST: usize = 100;

/// The usable keys of a set: public ones, for signatures, of types that we know.
pub(super) struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
}

/// A set on the wire. Keys that cannot be read are left out, as section 5 has it.
#[derive(Deserialize)]
pub(super) struct Document {
    keys: Vec<Value>,
}

impl From<Document> for Keys {
    fn from(document: Document) -> Self {
        Self(document.keys.into_iter().take(MOST).filter_map(Key::read).collect())
    }
}

impl Keys {
    /// Whether a key of this id is in the set.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys that may have signed with this algorithm. A token without the id of a key is for
    /// providers with one key only (Core section 10.1).
    pub(super) fn for_token(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        let fits = |key: &&Key| {
            key.algorithms.contains(&algorithm) && (id.is_none() || key.id.as_deref() == id)
        };
        let found: Vec<_> = self.0.iter().filter(fits).map(|key| &key.public).collect();
        if id.is_none() && found.len() > 1 { Vec::new() } else { found }
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        let for_signatures = match (&common.public_key_use, &common.key_operations) {
            (Some(purpose), _) => *purpose == PublicKeyUse::Signature,
            (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
            (None, None) => true,
        };
        let mut algorithms = of_type(&jwk.algorithm).to_vec();
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        if !for_signatures || algorithms.is_empty() {
            return None;
        }
        let public = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: common.key_id.clone(), algorithms, public })
    }
}

/// The algorithms that a key's own type allows, whatever a token says; none for shared secrets.
fn of_type(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn keys(keys: &Value) -> Keys {
        let document: Document = serde_json::from_value(json!({ "keys": keys })).unwrap();
        document.into()
    }

    #[test]
    fn a_key_verifies_what_its_own_type_signs_and_nothing_else() {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS512, PS512, RS256};
        let keys = keys(&json!([
            {"kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "r512", "alg": "PS512", "n": "AQAB", "e": "AQAB"},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": X, "y": X},
            {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": X},
            {"kty": "oct", "kid": "s", "k": X},
        ]));
        let fits = |id, algorithm| !keys.for_token(Some(id), algorithm).is_empty();
        assert!(fits("r", RS256) && fits("r", PS512) && fits("e", ES256) && fits("o", EdDSA));
        assert!(fits("r512", PS512) && !fits("r512", RS256));
        assert!(!fits("r", HS256) && !fits("s", HS256) && !fits("o", HS512));
        assert!(!fits("r", ES256) && !fits("e", ES384) && !fits("e", RS256));
        assert!(keys.has("r") && !keys.has("s") && !keys.has("../r"));
    }

    #[test]
    fn unusable_keys_are_left_out_and_spoil_nothing() {
        let keys = keys(&json!([
            {"kty": "EC", "kid": "k1", "crv": "secp256k1", "x": X, "y": X},
            {"kty": "EC", "kid": "521", "crv": "P-521", "x": X, "y": X},
            {"kty": "OKP", "kid": "enc", "crv": "Ed25519", "x": X, "use": "enc"},
            {"kty": "OKP", "kid": "sign", "crv": "Ed25519", "x": X, "key_ops": ["sign"]},
            {"kty": "OKP", "kid": "odd", "crv": "Ed25519", "x": X, "alg": "HS256"},
            {"kty": "new", "kid": "new"}, 7, null, [],
            {"kty": "OKP", "kid": "good", "crv": "Ed25519", "x": X, "use": "sig"},
        ]));
        for id in ["k1", "521", "enc", "sign", "odd", "new"] {
            assert!(!keys.has(id), "{id}");
        }
        assert_eq!(keys.for_token(Some("good"), Algorithm::EdDSA).len(), 1);
    }

    #[test]
    fn a_token_that_names_no_key_is_for_a_set_of_one() {
        let one = json!({"kty": "OKP", "kid": "1", "crv": "Ed25519", "x": X});
        assert_eq!(keys(&json!([one])).for_token(None, Algorithm::EdDSA).len(), 1);
        assert!(keys(&json!([one, one])).for_token(None, Algorithm::EdDSA).is_empty());
    }
}
