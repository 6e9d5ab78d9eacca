//! Which artifacts a list has, and in which order.

use roadstead_storage::tables::artifact::{Filter, NEWEST_FIRST, Of, Tagged};
use roadstead_storage::{Condition, Operand, Test};

use super::flag;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::page::ListQuery;

const TAGS: &str = "tags";
const BASE: &str = "base";
const LABELS: &str = "labels";

const COLUMNS: &[Column] = &[
    Column::new("id", "m.id", Kind::Integer),
    Column::new("type", "m.kind", Kind::Text),
    Column::new("media_type", "COALESCE(m.config_media_type, m.media_type)", Kind::Text),
    Column::new("manifest_media_type", "m.media_type", Kind::Text),
    Column::new("artifact_type", "m.artifact_type", Kind::Text),
    Column::new("project_id", "r.project_id", Kind::Integer),
    Column::new("repository_id", "m.repo_id", Kind::Integer),
    Column::new("repository_name", "r.name", Kind::Text),
    Column::new("digest", "m.digest", Kind::Text),
    Column::new("size", "m.total_size", Kind::Integer),
    Column::new("push_time", "m.created_at", Kind::Time).also(&["creation_time"]),
    Column::new("pull_time", "u.pulled_at", Kind::Time),
    Column::handled(TAGS, Kind::Text),
    Column::handled(BASE, Kind::Text),
    Column::handled(LABELS, Kind::Integer),
];

enum Tags {
    Whatever,
    Somehow,
    Not,
    As(String),
    Like(String),
}

/// What a client asks for.
pub(super) struct Selection {
    conditions: Vec<Condition>,
    order: Vec<(&'static str, bool)>,
    tags: Tags,
    labels: Vec<i64>,
    with_children: bool,
    latest: bool,
}

impl Selection {
    pub(super) fn read(query: &ListQuery) -> Result<Self, Failure> {
        let mut order = sorting(query, COLUMNS)?;
        if order.is_empty() {
            order.extend(&NEWEST_FIRST[..1]);
        }
        order.extend(&NEWEST_FIRST[1..]);
        let filters = filters(query, COLUMNS)?;
        let (mut tags, mut labels, mut with_children) = (Tags::Whatever, Vec::new(), false);
        for (key, test) in filters.handled {
            match (key, test) {
                (TAGS, Test::Equals(Operand::Text(name))) => tags = Tags::called(name),
                (TAGS, Test::Contains(part)) => tags = Tags::Like(part),
                // All of a list in round brackets.
                (LABELS, Test::Equals(Operand::Integer(id))) => labels.push(id),
                (BASE, Test::Equals(Operand::Text(all))) if all == "*" => with_children = true,
                _ => return Err(Failure::bad_request(format!("invalid q: the value of {key}"))),
            }
        }
        let latest = flag(query, "latest_in_repository", false);
        if latest && !one_type(&filters.conditions) {
            let message = "latest_in_repository needs one of media_type and artifact_type in q";
            return Err(Failure::bad_request(message));
        }
        Ok(Self { conditions: filters.conditions, order, tags, labels, with_children, latest })
    }

    pub(super) fn filter(&self, of: Of) -> Filter<'_> {
        Filter {
            of,
            with_children: self.with_children,
            tagged: match &self.tags {
                Tags::Whatever => Tagged::Whatever,
                Tags::Somehow => Tagged::Somehow,
                Tags::Not => Tagged::Not,
                Tags::As(name) => Tagged::As(name),
                Tags::Like(part) => Tagged::Like(part),
            },
            labels: &self.labels,
            latest_in_repository: self.latest,
            conditions: &self.conditions,
            order: &self.order,
        }
    }
}

impl Tags {
    fn called(name: String) -> Self {
        match name.as_str() {
            "*" => Self::Somehow,
            "nil" => Self::Not,
            _ => Self::As(name),
        }
    }
}

/// Whether the conditions ask for exactly one of the two types.
fn one_type(conditions: &[Condition]) -> bool {
    let of_type = |condition: &&Condition| {
        let column = condition.column;
        column == "m.artifact_type" || column.contains("m.config_media_type")
    };
    conditions.iter().filter(of_type).count() == 1
}
