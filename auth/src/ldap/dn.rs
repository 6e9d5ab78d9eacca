//! Distinguished names (RFC 4514), compared the way directories compare them.

use std::fmt;

use ldap3::dn_escape;

/// A distinguished name in the form in which it is compared: attribute types and values in lower
/// case, runs of spaces as one, the parts of each RDN sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(Vec<Vec<(String, String)>>);

/// The form of a distinguished name that is the same for every way to write it. This is what a
/// group should be stored and looked up under. None when it is not a name of RFC 4514, is empty,
/// or has a value in hexadecimal BER (`#04...`).
pub fn canonical_dn(dn: &str) -> Option<String> {
    Name::parse(dn).map(|name| name.to_string())
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts = |rdn| -> Option<Vec<(String, String)>> {
            let mut parts: Vec<_> = split(rdn, b'+').map(part).collect::<Option<_>>()?;
            parts.sort();
            Some(parts)
        };
        split(text, b',').map(parts).collect::<Option<_>>().map(Self)
    }

    /// Whether this is `base` or somewhere below it.
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.0.ends_with(&base.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(kind, value): &(String, String)| format!("{kind}={}", dn_escape(value));
        let rdn = |rdn: &Vec<_>| rdn.iter().map(part).collect::<Vec<_>>().join("+");
        out.write_str(&self.0.iter().map(rdn).collect::<Vec<_>>().join(","))
    }
}

/// The pieces between separators that no backslash protects.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut protected = false;
    text.split(move |c: char| {
        let cut = !protected && c == char::from(separator);
        protected = !protected && c == '\\';
        cut
    })
}

/// One `type=value`, in the form in which it is compared.
fn part(text: &str) -> Option<(String, String)> {
    let (kind, value) = text.split_once('=')?;
    let kind = kind.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if kind.is_empty() || !kind.chars().all(plain) {
        return None;
    }
    let value = unescape(value.trim_start_matches(' '))?;
    let words: Vec<&str> = value.split_whitespace().collect();
    Some((kind.to_ascii_lowercase(), words.join(" ").to_lowercase()))
}

/// An attribute's value without its escapes (RFC 4514, section 2.4).
fn unescape(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut plain = Vec::with_capacity(value.len());
    if value.starts_with('#') {
        return None;
    }
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                let first = bytes.next()?;
                plain.push(match hex(first) {
                    Some(high) => high << 4 | hex(bytes.next()?)?,
                    None if b" \"#+,;<=>\\".contains(&first) => first,
                    None => return None,
                });
            }
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | 0 => return None,
            other => plain.push(other),
        }
    }
    String::from_utf8(plain).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form() {
        let form = canonical_dn("cn=devs,ou=groups,dc=example,dc=org");
        assert_eq!(form.as_deref(), Some("cn=devs,ou=groups,dc=example,dc=org"));
        for same in [
            "CN=Devs, OU=Groups, DC=example, DC=org",
            " cn = devs ,ou=groups,dc=Example,dc=ORG ",
            r"cn=\64evs,ou=gr\6Fups,dc=example,dc=org",
        ] {
            assert_eq!(canonical_dn(same), form, "{same}");
        }
        assert_eq!(canonical_dn("uid=b+cn=a,o=x"), canonical_dn("CN=A+UID=B,O=X"));
        assert_eq!(canonical_dn("cn=a  b,o=x"), canonical_dn("cn=A B,o=x"));
        assert_eq!(canonical_dn("cn=Ä,o=x"), canonical_dn(r"cn=\c3\84,o=x"));
    }

    #[test]
    fn what_is_escaped_stays_inside_its_value() {
        let comma = canonical_dn(r"cn=a\,ou=groups,o=x").expect("a name");
        assert_eq!(comma, r"cn=a\2cou\3dgroups,o=x");
        assert_ne!(Some(comma.clone()), canonical_dn("cn=a,ou=groups,o=x"));
        assert_eq!(canonical_dn(&comma), Some(comma));
        let slash = canonical_dn(r"cn=a\\,o=x").expect("a name");
        assert_eq!(slash, r"cn=a\5c,o=x");
    }

    #[test]
    fn what_is_no_name_has_no_form() {
        for wrong in [
            "",
            " ",
            "devs",
            "cn=devs,",
            ",cn=devs",
            "=x",
            "c n=x",
            r"cn=a\",
            r"cn=a\4",
            r"cn=a\zz",
            r"cn=\ff",
            "cn=#0401",
            "cn=a<b",
            "cn=a;o=x",
            "cn=a+,o=x",
        ] {
            assert_eq!(canonical_dn(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_name_is_within_its_base_by_whole_rdns() {
        let name = |text| Name::parse(text).expect("a name");
        let base = name("ou=groups,dc=example,dc=org");
        assert!(name("cn=devs,OU=Groups,dc=example,dc=org").is_within(&base));
        assert!(base.is_within(&base));
        assert!(!name("ou=moregroups,dc=example,dc=org").is_within(&base));
        assert!(!name(r"cn=x\,ou=groups,dc=example,dc=org").is_within(&base));
        assert!(!name("dc=example,dc=org").is_within(&base));
    }
}
