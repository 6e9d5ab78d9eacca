//! `q` and `sort` of lists, in Harbor's way, checked against what each list allows.
//!
//! Harbor ignores a key that it does not know. Here it is refused: a misspelt filter must not
//! show everything, and a column that a list does not show must not be guessed through it
//! (CVE-2025-30086).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use roadstead_model::Timestamp;
use roadstead_storage::{Condition, Operand, Test};

use crate::failure::Failure;
use crate::page::ListQuery;

/// How many values `{a b c}` and `(a b c)` take.
const MOST_VALUES: usize = 100;
/// The longest value, in bytes; nothing that can be filtered is longer.
const LONGEST_VALUE: usize = 1024;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    /// Microseconds since 1970 in the database.
    Time,
    Boolean,
}

/// A column that a list may be filtered and ordered by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Harbor's name of the column. Its Go field name is derived from it: `op_time`, `OpTime`.
    key: &'static str,
    /// Other names of it, where Harbor has them.
    aliases: &'static [&'static str],
    /// None where the handler filters itself.
    sql: Option<&'static str>,
    kind: Kind,
}

impl Column {
    /// A column that the statement has as `sql`.
    pub(crate) const fn new(key: &'static str, sql: &'static str, kind: Kind) -> Self {
        Self { key, aliases: &[], sql: Some(sql), kind }
    }

    /// A key that the handler looks at itself; it cannot be ordered by.
    pub(crate) const fn handled(key: &'static str, kind: Kind) -> Self {
        Self { key, aliases: &[], sql: None, kind }
    }

    /// The same, with more names.
    pub(crate) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    fn is_called(&self, name: &str) -> bool {
        self.key == name || self.aliases.contains(&name) || go_name(self.key) == name
    }
}

/// `project_id` as a field in Go: `ProjectID`.
fn go_name(key: &str) -> String {
    let word = |word: &str| match word {
        "id" | "url" | "uuid" | "cve" => word.to_ascii_uppercase(),
        word => {
            word.get(..1).unwrap_or_default().to_ascii_uppercase()
                + word.get(1..).unwrap_or_default()
        }
    };
    key.split('_').map(word).collect()
}

/// What `q` narrows a list to; all of it must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    /// For the statement.
    pub(crate) conditions: Vec<Condition>,
    /// For the handler: the key of a [`Column::handled`] and a test of it.
    pub(crate) handled: Vec<(&'static str, Test)>,
}

/// Reads the `q` of a list.
pub(crate) fn filters(query: &ListQuery, columns: &[Column]) -> Result<Filters, Failure> {
    let mut filters = Filters::default();
    let text = match query.get("q") {
        None | Some("") => return Ok(filters),
        Some(text) => unescaped(text)?,
    };
    let mut seen = Vec::new();
    for term in text.split(',') {
        let (key, value) = match term.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => (key, value),
            _ => return Err(refused("write key=value, neither of them empty")),
        };
        let column = named(columns, key)?;
        if seen.contains(&column.key) {
            return Err(refused(format!("{key} is filtered twice")));
        }
        seen.push(column.key);
        for test in tests(column.kind, value).map_err(|why| refused(format!("{key}: {why}")))? {
            match column.sql {
                Some(column) => filters.conditions.push(Condition { column, test }),
                None => filters.handled.push((column.key, test)),
            }
        }
    }
    Ok(filters)
}

/// Reads the `sort` of a list: the columns, with true for descending; empty without one.
pub(crate) fn sorting(
    query: &ListQuery,
    columns: &[Column],
) -> Result<Vec<(&'static str, bool)>, Failure> {
    let text = query.get("sort").unwrap_or_default();
    let mut order: Vec<(&'static str, bool)> = Vec::new();
    for term in text.split(',').filter(|_| !text.is_empty()) {
        let (key, descending) = term.strip_prefix('-').map_or((term, false), |key| (key, true));
        let sql = named(columns, key)?.sql;
        let sql = sql.ok_or_else(|| refused(format!("this list cannot be sorted by {key}")))?;
        // What comes first decides.
        if order.iter().all(|(column, _)| *column != sql) {
            order.push((sql, descending));
        }
    }
    Ok(order)
}

/// The order that a client asked for, or else the usual one: by a time and, among equals, by the id. The id
/// always ends it, so that it is whole.
pub(crate) fn sorted_or(
    query: &ListQuery,
    columns: &[Column],
    [time, id]: [(&'static str, bool); 2],
) -> Result<Vec<(&'static str, bool)>, Failure> {
    let mut order = sorting(query, columns)?;
    if order.is_empty() {
        order.push(time);
    }
    order.push(id);
    Ok(order)
}

fn refused(why: impl std::fmt::Display) -> Failure {
    Failure::bad_request(format!("invalid q or sort: {why}"))
}

fn named<'a>(columns: &'a [Column], name: &str) -> Result<&'a Column, Failure> {
    columns.iter().find(|column| column.is_called(name)).ok_or_else(|| {
        let keys: Vec<&str> = columns.iter().map(|column| column.key).collect();
        refused(format!("there is no {name:?} here; there is {}", keys.join(", ")))
    })
}

/// Clients escape the value once for the URL and may do so once more; what is no escape is left
/// as it is.
fn unescaped(text: &str) -> Result<Cow<'_, str>, Failure> {
    let escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let text = if text.split('%').skip(1).all(escape) {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        Cow::Owned(decoded.map_err(|_| refused("this is not UTF-8"))?.into_owned())
    } else {
        Cow::Borrowed(text)
    };
    if text.contains('\0') { Err(refused("a NUL character")) } else { Ok(text) }
}

/// A value of `q` as tests, all of which must hold.
fn tests(kind: Kind, value: &str) -> Result<Vec<Test>, String> {
    let inside = |open: char, close: char| match value.strip_prefix(open) {
        Some(rest) => rest
            .strip_suffix(close)
            .map(Some)
            .ok_or_else(|| format!("what starts with {open} ends with {close}")),
        None => Ok(None),
    };
    if let Some(part) = value.strip_prefix('~') {
        return contains(kind, part);
    }
    if let Some(range) = inside('[', ']')? {
        return Ok(vec![between(kind, range)?]);
    }
    if let Some(list) = inside('{', '}')? {
        return Ok(vec![Test::AnyOf(values(kind, list)?)]);
    }
    if let Some(list) = inside('(', ')')? {
        return Ok(values(kind, list)?.into_iter().map(Test::Equals).collect());
    }
    let exact = value.strip_prefix('\\').unwrap_or(value);
    Ok(vec![Test::Equals(operand(kind, exact)?)])
}

fn contains(kind: Kind, part: &str) -> Result<Vec<Test>, String> {
    if kind != Kind::Text {
        return Err("~ looks into text only".into());
    }
    match operand(kind, part)? {
        Operand::Text(part) if !part.is_empty() => Ok(vec![Test::Contains(part)]),
        _ => Err("~ needs a text behind it".into()),
    }
}

fn between(kind: Kind, range: &str) -> Result<Test, String> {
    if kind == Kind::Boolean {
        return Err("true and false have no range".into());
    }
    let bound = |text: &str| match text.trim() {
        "" => Ok(None),
        text => operand(kind, unquoted(text)).map(Some),
    };
    match range.split_once('~') {
        Some((least, most)) if !most.contains('~') => match (bound(least)?, bound(most)?) {
            (None, None) => Err("a range needs a lower or an upper end".into()),
            (least, most) => Ok(Test::Range(least, most)),
        },
        _ => Err("a range is [min~max]".into()),
    }
}

fn values(kind: Kind, list: &str) -> Result<Vec<Operand>, String> {
    let values: Vec<&str> =
        list.split(' ').map(unquoted).filter(|value| !value.is_empty()).collect();
    match values.len() {
        0 => Err("the list is empty".into()),
        1..=MOST_VALUES => values.into_iter().map(|value| operand(kind, value)).collect(),
        _ => Err(format!("at most {MOST_VALUES} values")),
    }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

fn operand(kind: Kind, text: &str) -> Result<Operand, String> {
    if text.len() > LONGEST_VALUE {
        return Err(format!("a value has at most {LONGEST_VALUE} bytes"));
    }
    match kind {
        Kind::Text => Ok(Operand::Text(text.to_owned())),
        Kind::Integer => text
            .parse()
            .map(Operand::Integer)
            .map_err(|_| format!("{text:?} is not a whole number")),
        Kind::Time => Timestamp::parse(text)
            .map(|time| Operand::Integer(time.0))
            .ok_or_else(|| format!("{text:?} is not a time like 2006-01-02T15:04:05")),
        Kind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(Operand::Boolean(true)),
            "false" | "f" | "0" => Ok(Operand::Boolean(false)),
            _ => Err(format!("{text:?} is neither true nor false")),
        },
    }
}

#[cfg(test)]
mod tests;
