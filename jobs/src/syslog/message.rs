//! An audit event as a syslog message (RFC 5424, section 6).

use roadstead_model::Timestamp;

/// Facility 13, log audit (RFC 5424, 6.2.1).
const FACILITY: u8 = 13;
/// Severity for what went well.
const INFORMATIONAL: u8 = 6;
/// Severity for what was refused or failed.
const WARNING: u8 = 4;
/// The longest value, in bytes, so that a message stays within the 8192 that every collector
/// should take (RFC 5425, 4.3.1).
const LONGEST_VALUE: usize = 512;

/// An audit event.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The event's id in the audit trail; a collector that gets it twice can tell by this.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it, by name.
    pub actor: &'a str,
    /// Where the request came from; empty for the system itself.
    pub address: &'a str,
    /// The request's id; empty for the system itself.
    pub request_id: &'a str,
    /// The project's id, if it belongs to one.
    pub project_id: Option<i64>,
    /// What was done: `create`, `delete`.
    pub operation: &'a str,
    /// To what kind of thing: `artifact`.
    pub resource_type: &'a str,
    /// The thing's name.
    pub resource: &'a str,
    /// More, for people; may be empty.
    pub description: &'a str,
    /// Whether it went well.
    pub succeeded: bool,
}

/// The entry as a frame: how many octets the message has, a space, the message.
pub(super) fn frame(entry: &Entry<'_>, hostname: &str) -> Vec<u8> {
    let message = message(entry, hostname);
    format!("{} {message}", message.len()).into_bytes()
}

fn message(entry: &Entry<'_>, hostname: &str) -> String {
    let severity = if entry.succeeded { INFORMATIONAL } else { WARNING };
    let priority = FACILITY * 8 + severity;
    let time = entry.at.rfc3339();
    let process = std::process::id();
    let event = word(&format!("{}_{}", entry.operation, entry.resource_type), 32);
    let data = structured_data(entry);
    let words = [entry.actor, entry.operation, entry.resource_type, entry.resource];
    let text = words.map(shortened).join(" ");
    // Text beyond ASCII is announced by a byte order mark (RFC 5424, 6.4).
    let mark = if text.is_ascii() { "" } else { "\u{feff}" };
    format!("<{priority}>1 {time} {hostname} audit {process} {event} {data} {mark}{text}")
}

fn structured_data(entry: &Entry<'_>) -> String {
    let id = entry.id.to_string();
    let project = entry.project_id.map(|id| id.to_string()).unwrap_or_default();
    let fields = [
        ("id", id.as_str()),
        ("actor", entry.actor),
        ("operation", entry.operation),
        ("resource_type", entry.resource_type),
        ("resource", entry.resource),
        ("description", entry.description),
        ("project_id", &project),
        ("address", entry.address),
        ("request_id", entry.request_id),
        ("result", if entry.succeeded { "success" } else { "failure" }),
    ];
    // 32473 is the enterprise number for those who have none (RFC 5612).
    let mut data = String::from("[roadstead@32473");
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        data.push_str(&format!(" {name}=\"{}\"", escaped(&shortened(value))));
    }
    data + "]"
}

/// A value of structured data (RFC 5424, 6.3.3).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// The value without control characters, which could look like another message, and not too long.
fn shortened(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        let c = if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        if text.len() + c.len_utf8() > LONGEST_VALUE {
            break;
        }
        text.push(c);
    }
    text
}

/// A field of the header: visible ASCII, at most `longest` characters, `-` for none.
fn word(text: &str, longest: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(longest).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// This machine's name, as a field of the header.
pub(super) fn hostname() -> String {
    word(&rustix::system::uname().nodename().to_string_lossy(), 255)
}
