//! When work repeats, in cron's words.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::clock::Timestamp;

/// A cron expression with six fields, the first of which are the seconds, in UTC. When both the
/// day of the month and the day of the week are given, either makes it match.
#[derive(Clone, Debug)]
pub struct Repetition(Cron);

/// The text is no such expression, or matches no moment that will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cron needs six fields, for example 0 0 0 * * *: second minute hour day month weekday")]
pub struct RepetitionError;

impl Repetition {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`RepetitionError`].
    pub fn parse(text: &str) -> Result<Self, RepetitionError> {
        if text.len() > 255 || text.split_ascii_whitespace().count() != 6 {
            return Err(RepetitionError);
        }
        let parser =
            CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        parser.parse(text).map(Self).map_err(|_| RepetitionError)
    }

    /// The first moment behind `after` that matches; None when there is none, as on 30 February.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after: DateTime<Utc> = DateTime::from_timestamp_micros(after.0)?;
        let next = self.0.find_next_occurrence(&after, false).ok()?;
        Some(Timestamp(next.timestamp_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, after: &str) -> Option<String> {
        let after = Timestamp::parse(after).unwrap();
        Repetition::parse(cron).unwrap().next(after).map(Timestamp::rfc3339)
    }

    #[test]
    fn the_next_moment_is_behind_the_given_one() {
        for (cron, after, expected) in [
            ("0 0 0 * * *", "2026-01-31T12:00:00", "2026-02-01T00:00:00.000Z"),
            ("0 0 0 * * *", "2026-01-31T00:00:00", "2026-02-01T00:00:00.000Z"),
            ("0 0 * * * *", "2026-01-31T12:00:00.000001", "2026-01-31T13:00:00.000Z"),
            ("0 0 0 * * 0", "2026-01-01T00:00:00", "2026-01-04T00:00:00.000Z"),
            ("0 0 0 * * sun", "2026-01-01T00:00:00", "2026-01-04T00:00:00.000Z"),
            ("0 30 3 29 2 *", "2026-01-01T00:00:00", "2028-02-29T03:30:00.000Z"),
            ("*/10 * * * * *", "2026-01-01T00:00:01", "2026-01-01T00:00:10.000Z"),
            ("0 0 0 1 * 0", "2026-01-02T00:00:00", "2026-01-04T00:00:00.000Z"),
        ] {
            assert_eq!(next(cron, after).as_deref(), Some(expected), "{cron} after {after}");
        }
        assert_eq!(next("0 0 0 30 2 *", "2026-01-01T00:00:00"), None);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let long = format!("0 0 0 {} * *", "1,".repeat(200) + "1");
        for text in
            ["", "x", "@daily", "0 0 * * *", "60 0 0 * * *", "0 0 0 * * * 2030", "0 0 0 0 * *"]
        {
            assert_eq!(Repetition::parse(text).unwrap_err(), RepetitionError, "{text}");
        }
        assert!(Repetition::parse(&long).is_err());
    }
}
