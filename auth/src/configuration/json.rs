//! The configuration as JSON has it: switches are booleans, numbers are numbers, the rest is text.

use serde_json::{Map, Value};

use super::{Configuration, Key, Kind};

/// A known key has a value of another type than it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has a value of the wrong type")]
pub struct WrongType(pub &'static str);

/// The known keys of an object and their values as text; `null` is no value. Keys that are not
/// known are left out.
///
/// # Errors
/// [`WrongType`].
pub fn from_json(object: &Map<String, Value>) -> Result<Vec<(&'static Key, String)>, WrongType> {
    let known = object.iter().filter_map(|(name, value)| Some((Key::find(name)?, value)));
    let given = known.filter(|(_, value)| !value.is_null());
    given
        .map(|(key, value)| {
            let text = match (key.kind, value) {
                (Kind::Switch, Value::Bool(on)) => on.to_string(),
                (Kind::Number(..), Value::Number(number)) => {
                    number.as_i64().ok_or(WrongType(key.name))?.to_string()
                }
                (Kind::Switch | Kind::Number(..), _) => return Err(WrongType(key.name)),
                (_, Value::String(text)) => text.clone(),
                _ => return Err(WrongType(key.name)),
            };
            Ok((key, text))
        })
        .collect()
}

impl Configuration {
    /// The value of a key in its own type.
    pub fn to_json(&self, key: &Key) -> Value {
        match key.kind {
            Kind::Switch => self.is_on(key.name).into(),
            Kind::Number(..) => self.number(key.name).into(),
            _ => self.text(key.name).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_types_and_unknown_keys_are_left_out() {
        let object = json!({
            "read_only": true, "ldap_timeout": 7, "ldap_url": "ldap://dir", "banner_message": null,
            "red_only": 1,
        });
        let found = from_json(object.as_object().unwrap()).unwrap();
        let mut pairs: Vec<_> = found.iter().map(|(key, text)| (key.name, text.as_str())).collect();
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [("ldap_timeout", "7"), ("ldap_url", "ldap://dir"), ("read_only", "true")]
        );
        let mut configuration = Configuration::default();
        for (key, text) in found {
            configuration.set(key.name, text);
        }
        for (key, value) in [
            ("read_only", json!(true)),
            ("ldap_timeout", json!(7)),
            ("ldap_url", json!("ldap://dir")),
            ("self_registration", json!(false)),
        ] {
            assert_eq!(configuration.to_json(Key::find(key).unwrap()), value);
        }
        for wrong in [
            json!({"read_only": "true"}),
            json!({"ldap_timeout": "7"}),
            json!({"ldap_timeout": 7.5}),
            json!({"token_expiration": 1e300}),
            json!({"ldap_url": 7}),
            json!({"ldap_url": ["x"]}),
            json!({"oidc_extra_redirect_parms": {}}),
        ] {
            assert!(from_json(wrong.as_object().unwrap()).is_err(), "{wrong}");
        }
    }
}
