//! What the log of a collection says: of each thing that went, up to a limit, and how much nothing
//! but what was deleted needs any more.

use std::collections::HashSet;
use std::mem;

use roadstead_model::BlobId;
use roadstead_storage::Result;
use roadstead_storage::tables::deleted;

use super::tally::count;
use super::{Sweep, Tally};

/// Of how many things a log tells.
const TOLD: usize = 1000;
/// How many blobs are looked at at once, and how many at most.
const PAGE: i64 = 500;
const MOST: i64 = 100_000;

/// Harbor's words for a blob or a manifest that is given up.
pub(super) fn gone(what: &str) -> String {
    format!("delete blob from storage: {what}")
}

/// The lines that are not in the log yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: String,
    told: usize,
    left_out: usize,
}

impl Journal {
    pub(super) fn add(&mut self, gone: Vec<String>) {
        for line in gone {
            if self.told < TOLD {
                self.told += 1;
                self.lines.push_str(&line);
                self.lines.push('\n');
            } else {
                self.left_out += 1;
            }
        }
    }

    /// What was added since it was asked for last.
    pub(super) fn take(&mut self) -> String {
        mem::take(&mut self.lines)
    }

    /// What is left at the end.
    pub(super) fn end(&mut self) -> String {
        let mut lines = self.take();
        if self.left_out > 0 {
            lines.push_str(&format!("and {} more\n", self.left_out));
        }
        lines
    }
}

/// What nothing needs but what was deleted and can be brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) blobs: i64,
    pub(super) manifests: i64,
    /// Whether there is more than was counted.
    pub(super) more: bool,
}

impl Kept {
    /// How much nothing refers to any more, in the words that Harbor's clients look for, and how
    /// much of it is kept.
    pub(super) fn lines(&self, tally: &Tally) -> String {
        let Self { blobs, manifests, more } = *self;
        let least = if more { "at least " } else { "" };
        let mut lines = format!(
            "{least}{} blobs and {} manifests eligible for deletion\n",
            tally.blobs + blobs,
            tally.purged() + manifests
        );
        if blobs + manifests > 0 {
            lines.push_str(&format!(
                "{least}{blobs} of these blobs and {manifests} of these manifests are kept until \
                 what was deleted cannot be brought back any more\n"
            ));
        }
        lines
    }
}

impl Sweep {
    /// What only deleted artifacts hold now: this costs what was deleted, and has an end. Blobs
    /// that are about to go do not count, those that are about to be kept do.
    pub(super) async fn kept(
        &self,
        going: &HashSet<BlobId>,
        keeping: &HashSet<BlobId>,
    ) -> Result<Kept> {
        let (mut blobs, mut last, mut seen) = (keeping.len(), None, 0);
        while seen < MOST {
            let mut conn = self.worker.db.read().await?;
            let held = deleted::blobs_held(&mut conn, last, PAGE).await?;
            let Some(end) = held.last().copied() else { break };
            last = Some(end);
            seen += count(held.len());
            let held = deleted::without_link(&mut conn, held).await?;
            blobs += held.iter().filter(|id| !going.contains(id) && !keeping.contains(id)).count();
        }
        let mut conn = self.worker.db.read().await?;
        let manifests = deleted::count_up_to(&mut conn, MOST).await?;
        Ok(Kept { blobs: count(blobs), manifests, more: seen >= MOST || manifests >= MOST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_of_so_many_things_and_how_many_more_there_were() {
        let mut journal = Journal::default();
        journal.add(vec![gone("one"), gone("two")]);
        assert_eq!(
            journal.take(),
            "delete blob from storage: one\ndelete blob from storage: two\n"
        );
        assert_eq!(journal.take(), "");
        journal.add(vec![gone("more"); TOLD]);
        let end = journal.end();
        assert_eq!(end.lines().count(), TOLD - 2 + 1);
        assert!(end.ends_with("\nand 2 more\n"), "{end}");
    }

    #[test]
    fn what_harbors_clients_look_for_stands_in_a_line_of_its_own() {
        let gone = Tally { blobs: 3, manifests: 2, kept: 1, deleted: 4, ..Tally::default() };
        let all = "3 blobs and 5 manifests eligible for deletion\n";
        assert_eq!(Kept::default().lines(&gone), all);
        let kept = Kept { blobs: 7, manifests: 1, more: true };
        let lines = kept.lines(&gone);
        assert!(lines.starts_with("at least 10 blobs and 6 manifests eligible for deletion\n"));
        assert!(lines.contains("\nat least 7 of these blobs and 1 of these manifests are kept"));
    }
}
