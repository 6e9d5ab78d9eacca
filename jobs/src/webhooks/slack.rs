//! What Slack is sent: a text, and the same in blocks.

use roadstead_model::Timestamp;
use roadstead_model::webhook::Event;
use serde_json::{Value, json};

/// Slack takes 3000 characters in a block; some are left for what is around the data.
const LONGEST: usize = 2800;

pub(super) fn body(event: &Event) -> Value {
    let (kind, operator) = (event.kind.name(), escaped(&event.operator));
    let what = match (&event.event_data.repository, event.event_data.resources.as_slice()) {
        (_, [artifact]) => escaped(&artifact.resource_url),
        (Some(repository), _) => escaped(&repository.repo_full_name),
        (None, _) => escaped(event.event_data.retention.as_ref().map_or("", |of| &of.project_name)),
    };
    let at = event.occur_at;
    let written = Timestamp(at.saturating_mul(1_000_000)).rfc3339();
    let data = serde_json::to_string_pretty(&event.event_data).unwrap_or_default();
    let mut data = escaped(&data).replace("```", "'''");
    if let Some((end, _)) = data.char_indices().nth(LONGEST) {
        data.truncate(end);
        data.push('…');
    }
    let section =
        |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    json!({
        "text": format!("{kind} {what} by {operator}"),
        "blocks": [
            section(format!("*{kind}* {what}")),
            section(format!("by *{operator}*, <!date^{at}^{{date_num}} {{time_secs}}|{written}>")),
            section(format!("```{data}```")),
        ],
    })
}

/// Names are the users' own, and Slack reads commands in text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use roadstead_model::webhook::{EventData, EventType};

    use super::*;

    #[test]
    fn names_are_no_commands_and_what_is_long_is_cut() {
        let details = format!("<!channel> ``` {}", "é".repeat(5000));
        let custom_attributes = [("Details".to_owned(), details)].into();
        let event = Event {
            kind: EventType::QuotaExceed,
            occur_at: 1,
            operator: "<!here>".to_owned(),
            request_id: String::new(),
            event_data: EventData { custom_attributes, ..EventData::default() },
        };
        let body = body(&event);
        let text = body.to_string();
        assert!(!text.contains("<!channel>") && !text.contains("<!here>"), "{text}");
        let block = body["blocks"][2]["text"]["text"].as_str().unwrap();
        assert_eq!(block.matches("```").count(), 2);
        assert!(block.chars().count() <= 3000);
    }
}
