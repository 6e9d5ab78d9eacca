//! Claims about a person, from an `id_token` or from the userinfo endpoint.

use serde_json::{Map, Value};

/// A JSON object whose members are looked at one by one; all of them may be missing or odd.
#[derive(Clone)]
pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    /// A claim that is there and is not null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A claim that is a text with something in it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// A claim that is a time, in seconds since 1970, which may have a fraction (RFC 7519
    /// section 2, `NumericDate`).
    pub(super) fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        // Saturates; a time that far away is refused or harmless.
        #[allow(clippy::cast_possible_truncation)]
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
    }

    /// A claim that is a list of texts, or a single one; other members are passed over.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Takes from `other` what is missing here. An address comes together with the word on
    /// whether it was verified, never one from here and one from there.
    pub(super) fn fill_from(&mut self, other: Self) {
        if self.text("email").is_none() {
            self.0.remove("email");
            self.0.remove("email_verified");
        }
        self.0.retain(|_, value| !value.is_null());
        for (name, value) in other.0 {
            self.0.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        let Value::Object(claims) = value else { panic!("no object") };
        Claims(claims)
    }

    #[test]
    fn odd_claims_are_as_good_as_missing() {
        let claims = claims(json!({
            "a": null, "b": 7, "c": " ", "d": ["x", 7, null, "y"], "e": "x", "f": {}, "g": 1.9,
            "h": 1e300, "i": "7",
        }));
        assert!(claims.get("a").is_none() && claims.text("b").is_none());
        assert!(claims.text("c").is_none() && claims.texts("f").is_empty());
        assert_eq!(claims.texts("d"), ["x", "y"]);
        assert_eq!(claims.texts("e"), ["x"]);
        assert_eq!((claims.seconds("g"), claims.seconds("i")), (Some(1), None));
        assert_eq!(claims.seconds("h"), Some(i64::MAX));
    }

    #[test]
    fn an_address_keeps_its_own_word_on_being_verified() {
        let mut merged = claims(json!({"sub": "1", "email_verified": true, "name": null}));
        merged.fill_from(claims(json!({
            "sub": "2", "email": "a@example.com", "email_verified": false, "name": "A",
        })));
        assert_eq!(merged.text("sub"), Some("1"));
        assert_eq!(merged.text("name"), Some("A"));
        assert_eq!(merged.get("email_verified"), Some(&json!(false)));
    }
}
