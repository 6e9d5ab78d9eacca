//! What lists are narrowed to and ordered by.
//!
//! Columns are literals of the program and values are bound, so nothing that a client wrote
//! becomes SQL.

use crate::Query;

/// A value to compare a column with. Times are [`Operand::Integer`], in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// For a text column.
    Text(String),
    /// For a number or a time.
    Integer(i64),
    /// For a boolean column.
    Boolean(bool),
}

/// What a column is tested for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is this value.
    Equals(Operand),
    /// It has this text anywhere, whatever the case of its letters; for text columns only. On
    /// SQLite only ASCII letters have a case.
    Contains(String),
    /// It lies between these, both included; None is no bound.
    Range(Option<Operand>, Option<Operand>),
    /// It is one of these; with none of them nothing matches.
    AnyOf(Vec<Operand>),
}

/// One condition of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column, or an expression over columns, in SQL.
    pub column: &'static str,
    /// What it is tested for.
    pub test: Test,
}

impl Query<'_> {
    /// Appends ` AND ...` for each condition, to a statement that has a `WHERE` already.
    pub fn narrowed(mut self, conditions: &[Condition]) -> Self {
        for Condition { column, test } in conditions {
            self = match test {
                Test::Equals(value) => self.push(" AND ").push(column).push(" = ").operand(value),
                Test::Contains(part) => self.containing(column, part),
                Test::Range(least, most) => self.bounded(column, " >= ", least.as_ref()).bounded(
                    column,
                    " <= ",
                    most.as_ref(),
                ),
                Test::AnyOf(values) => self.push(" AND ").push(column).among(values),
            };
        }
        self
    }

    /// Appends ` AND ...` for a column that has `part` in it, in whatever case its letters are: LIKE
    /// alone tells `A` from `a` on one engine and not on the other.
    pub(crate) fn containing(self, column: &'static str, part: &str) -> Self {
        self.push(" AND LOWER(")
            .push(column)
            .push(") LIKE LOWER(")
            .push_bind(pattern_of(part))
            .push(") ESCAPE '\\'")
    }

    /// Appends ` ORDER BY` for these columns; true is descending. Nothing for no column.
    pub fn ordered(mut self, columns: &[(&'static str, bool)]) -> Self {
        let mut separator = " ORDER BY ";
        for (column, descending) in columns {
            self = self.push(separator).push(column).push(if *descending { " DESC" } else { "" });
            separator = ", ";
        }
        self
    }

    /// Appends which part of the rows is wanted.
    pub fn page(self, limit: i64, offset: i64) -> Self {
        self.push(" LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset)
    }

    fn bounded(self, column: &'static str, sign: &'static str, bound: Option<&Operand>) -> Self {
        match bound {
            Some(bound) => self.push(" AND ").push(column).push(sign).operand(bound),
            None => self,
        }
    }

    fn among(mut self, values: &[Operand]) -> Self {
        let mut separator = " IN (";
        for value in values {
            self = self.push(separator).operand(value);
            separator = ", ";
        }
        self.push(if values.is_empty() { " IN (NULL)" } else { ")" })
    }

    fn operand(self, value: &Operand) -> Self {
        match value {
            Operand::Text(text) => self.push_bind(text.clone()),
            Operand::Integer(number) => self.push_bind(*number),
            Operand::Boolean(truth) => self.push_bind(*truth),
        }
    }
}

/// A LIKE pattern that matches `part` anywhere and means its wildcards literally, with
/// `ESCAPE '\'`.
fn pattern_of(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use roadstead_model::{Origin, Timestamp};

    use super::*;
    use crate::Db;
    use crate::tables::audit::{self, Actor, Event};

    const NAMES: [&str; 8] =
        ["plain", "Mixed", "it's", "100%", "a_b", "axb", r"back\slash", "$1 OR 1=1"];

    /// A database whose audit trail has one row for each name, a second apart.
    async fn trail() -> (crate::testing::Kept, Db) {
        let (directory, db) = crate::testing::database(2).await;
        let mut tx = db.begin().await.unwrap();
        let origin = Origin { address: "127.0.0.1".into(), request_id: "1".into(), https: false };
        for (second, name) in (1..).zip(NAMES) {
            let actor = Actor { principal: None, name, origin: &origin };
            let event = Event::of("tag", "team/web:1", "create");
            audit::record(&mut tx, actor, event, Timestamp(second * 1_000_000)).await.unwrap();
        }
        tx.commit().await.unwrap();
        (directory, db)
    }

    async fn actors(db: &Db, conditions: &[Condition], order: &[(&'static str, bool)]) -> String {
        let mut conn = db.read().await.unwrap();
        let query = conn.query("SELECT a.actor FROM audit_log a WHERE a.operation = $1");
        let query = query.bind("create").narrowed(conditions).ordered(order);
        let rows: Vec<(String,)> = query.fetch_all().await.unwrap();
        rows.into_iter().map(|(name,)| name).collect::<Vec<_>>().join("|")
    }

    fn text(value: &str) -> Operand {
        Operand::Text(value.into())
    }

    fn actor(test: Test) -> Condition {
        Condition { column: "a.actor", test }
    }

    fn at(test: Test) -> Condition {
        Condition { column: "a.at", test }
    }

    #[tokio::test]
    async fn every_test_finds_its_rows() {
        crate::testing::on_both_engines(async || {
            let (_directory, db) = trail().await;
            let second = |n: i64| Some(Operand::Integer(n * 1_000_000));
            let cases = [
                (actor(Test::Equals(text("Mixed"))), "Mixed"),
                (actor(Test::Equals(text("mixed"))), ""),
                (actor(Test::Contains("MIX".into())), "Mixed"),
                (actor(Test::AnyOf(vec![text("axb"), text("plain"), text("none")])), "plain|axb"),
                (actor(Test::AnyOf(Vec::new())), ""),
                (actor(Test::Range(Some(text("it")), Some(text("plain")))), "plain|it's"),
                (at(Test::Range(second(2), second(3))), "Mixed|it's"),
                (at(Test::Range(second(8), None)), "$1 OR 1=1"),
                (at(Test::Range(None, second(1))), "plain"),
                (at(Test::Range(None, None)), &NAMES.join("|")),
                (at(Test::Equals(Operand::Integer(1_000_000))), "plain"),
                (
                    Condition { column: "(a.id = 1)", test: Test::Equals(Operand::Boolean(true)) },
                    "plain",
                ),
            ];
            for (condition, expected) in cases {
                let found = actors(&db, std::slice::from_ref(&condition), &[("a.id", false)]).await;
                assert_eq!(found, expected, "{condition:?}");
            }
            let both = [actor(Test::Contains("x".into())), at(Test::Range(second(3), None))];
            assert_eq!(actors(&db, &both, &[]).await, "axb");
        })
        .await;
    }

    #[tokio::test]
    async fn lists_come_in_the_order_that_was_asked_for() {
        crate::testing::on_both_engines(async || {
            let (_directory, db) = trail().await;
            let narrowed = [at(Test::Range(None, Some(Operand::Integer(3_000_000))))];
            let order = [("a.operation", false), ("a.actor", true)];
            assert_eq!(actors(&db, &narrowed, &order).await, "plain|it's|Mixed");
            assert_eq!(actors(&db, &narrowed, &[("a.at", true)]).await, "it's|Mixed|plain");
        })
        .await;
    }

    #[tokio::test]
    async fn values_are_never_sql_and_wildcards_mean_themselves() {
        crate::testing::on_both_engines(async || {
            let (_directory, db) = trail().await;
            for name in NAMES {
                let tests = [
                    Test::Equals(text(name)),
                    Test::Contains(name.to_uppercase()),
                    Test::AnyOf(vec![text(name)]),
                ];
                for test in tests {
                    assert_eq!(actors(&db, &[actor(test.clone())], &[]).await, name, "{test:?}");
                }
            }
            for (part, expected) in
                [("%", "100%"), ("_", "a_b"), ("\\", r"back\slash"), ("'", "it's")]
            {
                let condition = actor(Test::Contains(part.into()));
                assert_eq!(actors(&db, &[condition], &[]).await, expected, "{part}");
            }
            let hostile = "'; DROP TABLE audit_log; --";
            let many = vec![text(hostile); 100];
            let conditions = [actor(Test::Equals(text(hostile))), actor(Test::AnyOf(many))];
            assert_eq!(actors(&db, &conditions, &[]).await, "");
            assert_eq!(actors(&db, &[], &[("a.id", false)]).await, NAMES.join("|"));
        })
        .await;
    }
}
