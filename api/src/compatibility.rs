//! Which of Harbor's operations are served, as `docs/harbor-compatibility.md` tells it. The list of
//! the operations is a list of facts (`harbor-operations.tsv`); their state is read off the routes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::BASE;
use crate::guard::RouteEntry;
use crate::openapi::Description;

/// Each with its group, method, path and id, as Harbor's document has them.
const OPERATIONS: &str = include_str!("../harbor-operations.tsv");

/// What is around the table.
const BEGIN: &str = "<!-- operations: written by `make openapi` -->\n";
const END: &str = "<!-- end of operations -->\n";

const SERVED: &str = "served";
const LATER: &str = "answered, with nothing in it";
const MISSING: &str = "not served";

/// A path whatever its parameters are called.
fn shape(path: &str) -> String {
    let parts = path.trim_end_matches('/').split('/');
    let shapes: Vec<&str> =
        parts.map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    shapes.join("/")
}

/// The document with the table that these routes make.
pub(crate) fn written_into(document: &str, routes: &[RouteEntry]) -> String {
    let (before, rest) = document.split_once(BEGIN).expect("the place of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    format!("{before}{BEGIN}{}{END}{after}", table(routes))
}

fn table(routes: &[RouteEntry]) -> String {
    let known: BTreeMap<(&str, String), &RouteEntry> = routes
        .iter()
        .map(|route| {
            let path = route.path.strip_prefix(BASE).unwrap_or(&route.path);
            ((route.method.as_str(), shape(path)), route)
        })
        .collect();
    let mut counts = BTreeMap::from([(SERVED, 0), (LATER, 0), (MISSING, 0)]);
    let mut rows = String::new();
    for line in OPERATIONS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [tag, method, path, id] = fields[..] else { panic!("no operation: {line}") };
        let state = match known.get(&(method, shape(path))) {
            None => MISSING,
            Some(route) => {
                let Description { id: own, is_later, .. } = &route.description;
                assert_eq!(*own, id, "{method} {path} is called otherwise in Harbor");
                if *is_later { LATER } else { SERVED }
            }
        };
        *counts.entry(state).or_default() += 1;
        writeln!(rows, "| {tag} | {method} | `{path}` | {id} | {state} |").expect("a line");
    }
    let total: i32 = counts.values().sum();
    assert_eq!(total, 203, "Harbor has 203 operations");
    let sums = [SERVED, LATER, MISSING].map(|state| format!("{} are {state}", counts[state]));
    format!(
        "Of Harbor's {total} operations {}.\n\n| group | method | path | operation | state |\n\
         |---|---|---|---|---|\n{rows}",
        sums.join("; ")
    )
}
