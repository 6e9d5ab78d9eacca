//! The shape of an answer: a line for each field, with its type, as the document tells where objects
//! have fields and where they are maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

/// Fields that are there or not, as the moment has it: by what is just being done, and by events of
/// what works in the background.
const SOMETIMES: &[(&str, &[&str])] = &[
    ("getWorkers", &["[].checkin_at", "[].job_id", "[].job_name", "[].start_at"]),
    ("listJobQueues", &["[].count", "[].latency"]),
    ("ListExecutionsOfWebhookPolicy", &["[].end_time"]),
    ("ListTasksOfWebhookExecution", &["[].end_time", "[].run_count"]),
    ("listAuditLogExts", OF_EVENTS),
    ("getLogExts", OF_EVENTS),
];

/// What events lack that no request brought about, or that are not about a project.
const OF_EVENTS: &[&str] =
    &["[].address", "[].operation_description", "[].project_id", "[].request_id"];

/// What was found of an answer.
pub struct Shape<'a> {
    document: &'a Value,
    operation: &'a str,
    /// The types at each place.
    types: BTreeMap<String, BTreeSet<&'static str>>,
    /// The places of fields that some of several objects lack, or all.
    absent: BTreeSet<String>,
}

impl<'a> Shape<'a> {
    /// The shape of a body that the operation answers.
    pub fn of(document: &'a Value, operation: &'a str, schema: &Value, body: &Value) -> Self {
        let (types, absent) = (BTreeMap::new(), BTreeSet::new());
        let mut shape = Self { document, operation, types, absent };
        shape.look("", schema, body);
        shape
    }

    fn resolved(&self, schema: &Value) -> Value {
        match schema["$ref"].as_str() {
            None => schema.clone(),
            Some(reference) => {
                let path = reference.trim_start_matches('#');
                self.document.pointer(path).expect("a component").clone()
            }
        }
    }

    fn look(&mut self, place: &str, schema: &Value, value: &Value) {
        let mut schema = self.resolved(schema);
        let alternatives = schema["oneOf"].as_array().cloned().unwrap_or_default();
        if let Some(one) = alternatives.iter().find(|one| one["type"] != "null") {
            schema = self.resolved(one);
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(text) if text.len() == 24 && text.ends_with('Z') => "time",
            Value::String(_) => "text",
            Value::Array(items) if items.is_empty() => "nothing",
            Value::Array(items) => {
                let place = format!("{place}[]");
                for item in items {
                    self.look(&place, &schema["items"], item);
                }
                return;
            }
            Value::Object(fields) => return self.look_into(place, &schema, fields),
        };
        let allowed = match &schema["type"] {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        };
        let named = match kind {
            "time" | "text" => "string",
            "nothing" => "array",
            other => other,
        };
        let fits =
            |one: &Value| one == named || (one == "integer" && value.is_i64()) || one.is_null();
        let what = self.operation;
        assert!(
            allowed.iter().any(fits),
            "{what}: {place} is {kind}, and the document says {schema}"
        );
        self.types.entry(place.to_owned()).or_default().insert(kind);
    }

    fn look_into(&mut self, place: &str, schema: &Value, fields: &serde_json::Map<String, Value>) {
        let what = self.operation;
        let Some(properties) = schema["properties"].as_object() else {
            // A map: its keys may be anything.
            self.types.entry(format!("{place}{{}}")).or_default();
            for value in fields.values().filter(|value| !value.is_object() && !value.is_array()) {
                self.look(&format!("{place}{{}}"), &schema["additionalProperties"], value);
            }
            for value in fields.values().filter(|value| value.is_object() || value.is_array()) {
                if schema["additionalProperties"].is_object() {
                    self.look(&format!("{place}{{}}"), &schema["additionalProperties"], value);
                }
            }
            return;
        };
        for (name, value) in fields {
            let described = properties.get(name);
            let described =
                described.unwrap_or_else(|| panic!("{what}: no word of {place}.{name}"));
            self.look(&format!("{place}.{name}"), described, value);
        }
        let missing = properties.keys().filter(|name| !fields.contains_key(*name));
        for name in missing {
            let required = schema["required"]
                .as_array()
                .is_some_and(|all| all.contains(&(name.as_str().into())));
            assert!(!required, "{what}: {place}.{name} is not there, and the document requires it");
            self.absent.insert(format!("{place}.{name}"));
        }
    }

    /// A line for each place.
    pub fn lines(&self) -> String {
        let of_operation = SOMETIMES.iter().find(|(operation, _)| *operation == self.operation);
        let sometimes = |place: &str| of_operation.is_some_and(|(_, all)| all.contains(&place));
        let mut text = String::new();
        let places: BTreeSet<&String> = self.types.keys().chain(&self.absent).collect();
        for place in places {
            let types = self.types.get(place).map(|all| all.iter().copied().collect::<Vec<_>>());
            let words = match (types, self.absent.contains(place)) {
                _ if sometimes(place) => "there or not".to_owned(),
                (None, _) => "left out".to_owned(),
                (Some(types), false) => types.join(" or "),
                (Some(types), true) => format!("{}, or left out", types.join(" or ")),
            };
            writeln!(text, "    {}: {words}", place.trim_start_matches('.')).expect("a line");
        }
        text
    }
}
