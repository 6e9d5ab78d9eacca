//! The log of a task: a table with a line for each artifact.

use std::fmt::Write as _;

use roadstead_model::Timestamp;
use roadstead_storage::tables::retention::verdict::{Line, Verdict};

use crate::executions::NO_TIME;

const TITLES: [&str; 8] =
    ["Digest", "Tag", "Kind", "Labels", "PushedTime", "PulledTime", "CreatedTime", "Retention"];

/// The table below what else is to be said.
pub(super) fn written(note: &str, lines: &[Line]) -> String {
    let mut text = note.to_owned();
    if lines.is_empty() {
        return text;
    }
    let rows: Vec<[String; 8]> = lines.iter().map(row).collect();
    let titles = TITLES.map(str::to_owned);
    let mut widths = titles.each_ref().map(String::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut write = |row: &[String; 8]| {
        let mut separator = "";
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{cell:width$}");
            separator = " | ";
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    write(&titles);
    write(&widths.map(|width| "-".repeat(width)));
    rows.iter().for_each(write);
    text
}

fn row(line: &Line) -> [String; 8] {
    let retention = match line.verdict.as_str() {
        word if word == Verdict::Wait.name() => "DEL (waits)",
        word => word,
    };
    [
        line.digest.clone(),
        line.tags.clone(),
        line.kind.to_lowercase(),
        line.labels.clone(),
        time(line.pushed_at),
        time(line.pulled_at.unwrap_or(NO_TIME)),
        time(line.created_at),
        retention.to_owned(),
    ]
}

/// `2006/01/02 15:04:05`.
fn time(at: Timestamp) -> String {
    let text = at.rfc3339();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{} {}", date.replace('-', "/"), time.get(..8).unwrap_or(time))
}

#[cfg(test)]
mod tests {
    use roadstead_model::ManifestId;

    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_artifact() {
        let line = |verdict: &str, tags: &str, pulled_at| Line {
            id: ManifestId(1),
            verdict: verdict.to_owned(),
            digest: "sha256:1".to_owned(),
            tags: tags.to_owned(),
            kind: "IMAGE".to_owned(),
            labels: String::new(),
            pushed_at: Timestamp(951_827_696_789_000),
            pulled_at,
            created_at: Timestamp(0),
        };
        let lines = [line("RETAIN", "v1,latest", Some(Timestamp(0))), line("WAIT", "", None)];
        let expected = "\
Told.
Digest   | Tag       | Kind  | Labels | PushedTime          | PulledTime          | CreatedTime         | Retention
-------- | --------- | ----- | ------ | ------------------- | ------------------- | ------------------- | -----------
sha256:1 | v1,latest | image |        | 2000/02/29 12:34:56 | 1970/01/01 00:00:00 | 1970/01/01 00:00:00 | RETAIN
sha256:1 |           | image |        | 2000/02/29 12:34:56 | 0001/01/01 00:00:00 | 1970/01/01 00:00:00 | DEL (waits)
";
        assert_eq!(written("Told.\n", &lines), expected);
        assert_eq!(written("Told.\n", &[]), "Told.\n");
    }
}
