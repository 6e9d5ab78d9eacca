//! The results of the last run of each row, and the page that shows them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::report;
use crate::rows::{Outcome, ROWS};

const BEGIN: &str = "<!-- results -->";
const END: &str = "<!-- end of results -->";

/// What is kept of a row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The commit that was measured.
    pub(crate) revision: String,
    /// The day, in UTC.
    pub(crate) day: String,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) machine: Vec<String>,
    pub(crate) versions: Vec<String>,
    pub(crate) outcome: Outcome,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn file(row: &str) -> PathBuf {
    repository().join("target/bench/results").join(row).with_extension("json")
}

/// Keeps what came of a row until it is measured again.
pub(crate) fn keep(row: &str, kept: &Kept) -> anyhow::Result<()> {
    let file = file(row);
    fs::create_dir_all(file.parent().context("a directory")?)?;
    Ok(fs::write(file, serde_json::to_vec_pretty(kept)?)?)
}

/// Writes what is kept of every row into the page.
pub(crate) fn write() -> anyhow::Result<PathBuf> {
    let path = repository().join("docs/performance.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut rows = Vec::new();
    for (name, title) in ROWS {
        match fs::read(file(name)) {
            Ok(bytes) => rows.push((*name, *title, serde_json::from_slice(&bytes)?)),
            Err(_) => ensure!(
                !shows(&page, name),
                "docs/performance.md is left as it was: it shows `{name}`, which was not measured \
                 here. Measure every row, or say --dry"
            ),
        }
    }
    fs::write(
        &path,
        between(&page, &results(&rows)).context("the page has no place for results")?,
    )?;
    Ok(path.canonicalize()?)
}

/// Whether the page has results of a row.
fn shows(page: &str, row: &str) -> bool {
    page.contains(&format!("\n### `{row}`: "))
}

/// Puts the text between the marks.
fn between(page: &str, text: &str) -> Option<String> {
    let (before, behind) = page.split_once(BEGIN)?;
    let (_, after) = behind.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim()))
}

fn results(rows: &[(&str, &str, Kept)]) -> String {
    let mut text = String::new();
    let mut said = None;
    for (_, _, kept) in rows {
        // Once, unless rows were measured at different places.
        let here = (&kept.machine, &kept.versions);
        if said != Some(here) {
            let items = kept.machine.iter().chain(&kept.versions);
            text = items.fold(text, |text, item| text + &format!("- {item}\n")) + "\n";
            said = Some(here);
        }
    }
    text += report::GOALS_HEAD;
    for (_, _, kept) in rows {
        text += &report::goals(&kept.outcome.verdicts);
    }
    for (name, title, kept) in rows {
        let Kept { revision, day, rounds, .. } = kept;
        let quick = if kept.quick { ", the quick run" } else { "" };
        text += &format!("\n### `{name}`: {title}\n\n");
        text += &format!("{day}, commit {revision}, {rounds} rounds{quick}.\n\n");
        text += report::figures(&kept.outcome).trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_replace_results_and_nothing_else() {
        let page = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nprose\n");
        let new = between(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nprose\n"));
        assert_eq!(between(&new, "new\n").unwrap(), new, "again");
        assert_eq!(between("# Title\n", "new"), None);
    }

    #[test]
    fn every_row_of_the_page_is_a_row() {
        let page = fs::read_to_string(repository().join("docs/performance.md")).unwrap();
        assert!(between(&page, "").is_some());
        for (name, _) in ROWS {
            assert!(shows(&page, name), "{name} was not measured");
            assert!(page.contains(&format!("`{name}`")), "{name} is not on the page");
        }
    }
}
