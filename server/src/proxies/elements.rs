//! The `Forwarded` header (RFC 7239, section 4): elements with commas, pairs with semicolons,
//! values that may be quoted.

use std::iter::Peekable;
use std::str::Chars;

/// What one proxy wrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) client: Option<String>,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The elements in the order of the header; None when it does not follow the grammar, because
/// nobody knows then where an element ends.
pub(super) fn parse(text: &str) -> Option<Vec<Element>> {
    let mut elements = vec![Element::default()];
    let mut rest = text.chars().peekable();
    loop {
        blanks(&mut rest);
        match rest.peek() {
            None => return Some(elements),
            Some(';') => {
                rest.next();
            }
            Some(',') => {
                rest.next();
                elements.push(Element::default());
            }
            Some(_) => {
                let (name, value) = pair(&mut rest)?;
                let element = elements.last_mut()?;
                let slot = match name.as_str() {
                    "for" => &mut element.client,
                    "proto" => &mut element.proto,
                    "host" => &mut element.host,
                    _ => continue,
                };
                if slot.replace(value).is_some() {
                    // Each parameter once: which of two would be the proxy's?
                    return None;
                }
            }
        }
    }
}

fn blanks(rest: &mut Peekable<Chars>) {
    while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
}

fn token(rest: &mut Peekable<Chars>) -> String {
    let plain = |c: &char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*c) || matches!(c, ':' | '[' | ']')
    };
    std::iter::from_fn(|| rest.next_if(plain)).collect()
}

/// `name=value`, and then the end, a comma or a semicolon.
fn pair(rest: &mut Peekable<Chars>) -> Option<(String, String)> {
    let name = token(rest).to_ascii_lowercase();
    if name.is_empty() || rest.next() != Some('=') {
        return None;
    }
    let value = if rest.next_if_eq(&'"').is_some() { quoted(rest)? } else { token(rest) };
    blanks(rest);
    matches!(rest.peek(), None | Some(',' | ';')).then_some((name, value))
}

/// The rest of a quoted string; None when the quote is never closed.
fn quoted(rest: &mut Peekable<Chars>) -> Option<String> {
    let mut value = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(value),
            '\\' => value.push(rest.next()?),
            other => value.push(other),
        }
    }
}
