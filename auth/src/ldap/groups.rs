//! The groups of a person, and groups by name.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ldap3::SearchEntry;

use super::connection::{Connection, Search, code};
use super::dn::{Name, canonical_dn};
use super::error::{Error, Result};
use super::settings::Scope;
use super::{Directory, Group, MOST_FOUND, containing, is_same, values};

/// How many groups are asked for at the same time, on one connection.
const AT_ONCE: usize = 5;

impl Directory {
    /// At most 100 groups whose name contains `part`, those first whose name is `part`; an empty
    /// `part` finds all. None are found when there is no filter for groups.
    pub async fn search_groups(&self, part: &str) -> Result<Vec<Group>> {
        let Some(filter) = &self.group_filter else {
            return Ok(Vec::new());
        };
        let connection = self.connect().await?;
        let base = match self.settings.group_base_dn.trim() {
            "" => &self.settings.base_dn,
            base => base,
        };
        let search = Search {
            base,
            scope: self.settings.group_search_scope,
            filter: &containing(filter, &self.group_name, part),
            attributes: vec![&self.group_name],
            limit: MOST_FOUND,
        };
        let entries = connection.search(&search).await?;
        let mut groups: Vec<Group> = entries.into_iter().map(|entry| self.group(entry)).collect();
        groups.sort_by_cached_key(|group| (!is_same(&group.name, part), group.dn.clone()));
        Ok(groups)
    }

    /// The group with that DN; None when it does not exist or does not count as one.
    pub async fn find_group(&self, dn: &str) -> Result<Option<Group>> {
        if self.group_filter.is_none() || !self.may_count(dn) {
            return Ok(None);
        }
        let connection = self.connect().await?;
        self.group_at(&connection, dn).await
    }

    /// Those of the groups `dns` that count, each once.
    pub(super) async fn groups_of(
        &self,
        connection: &Connection,
        dns: &[String],
    ) -> Result<Vec<Group>> {
        if self.group_filter.is_none() {
            return Ok(Vec::new());
        }
        let mut seen = HashSet::new();
        let counting = dns.iter().map(|dn| dn.trim()).filter(|dn| {
            self.may_count(dn) && canonical_dn(dn).is_some_and(|form| seen.insert(form))
        });
        // Collected first: a stream that borrows its closures cannot move between threads.
        let asked: Vec<_> = counting.map(|dn| self.group_at(connection, dn)).collect();
        let found: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether a DN is one and lies where groups are.
    fn may_count(&self, dn: &str) -> bool {
        Name::parse(dn).is_some_and(|name| name.is_within(&self.group_base))
    }

    /// The group with that DN if it exists and matches the filter.
    async fn group_at(&self, connection: &Connection, dn: &str) -> Result<Option<Group>> {
        let search = Search {
            base: dn,
            scope: Scope::Base,
            filter: self.group_filter.as_deref().unwrap_or_default(),
            attributes: vec![&self.group_name],
            limit: 1,
        };
        match connection.search(&search).await {
            Ok(entries) => Ok(entries.into_iter().next().map(|entry| self.group(entry))),
            // One membership that leads nowhere must not keep its member out.
            Err(Error::Refused { code, .. })
                if [
                    code::NO_SUCH_OBJECT,
                    code::INVALID_DN_SYNTAX,
                    code::REFERRAL,
                    code::INSUFFICIENT_ACCESS_RIGHTS,
                ]
                .contains(&code) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn group(&self, entry: SearchEntry) -> Group {
        let name = values(&entry, &self.group_name).first().map(|name| name.trim());
        let name = name.filter(|name| !name.is_empty()).unwrap_or(&entry.dn).to_owned();
        Group { dn: entry.dn, name }
    }
}
