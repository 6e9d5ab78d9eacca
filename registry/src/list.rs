//! Lists of tags and of repositories.

use roadstead_auth::{Caller, Grant};
use roadstead_storage::tables::{repository, tag};

use crate::Registry;
use crate::error::Result;
use crate::pull::known;

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The most entries; None for all.
    pub(crate) n: Option<usize>,
    /// Where the page before ended; this entry is not included.
    pub(crate) last: String,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) names: Vec<String>,
    /// The page size when there is more; the next page begins after the last name.
    pub(crate) more: Option<usize>,
}

impl Registry {
    /// Tags in byte order.
    pub(crate) async fn list_tags(&self, grant: &Grant, page: &Page) -> Result<Listed> {
        let repository = known(grant)?;
        let size = page.n.map(|n| n.min(self.limits.tags_page));
        let mut conn = self.db.read().await?;
        let limit = size.map(one_more);
        let names = tag::list(&mut conn, repository, &page.last, limit).await?;
        Ok(cut(names, size))
    }

    /// Repositories that the caller may pull, in byte order.
    pub(crate) async fn list_repositories(&self, caller: &Caller, page: &Page) -> Result<Listed> {
        let size = page.n.unwrap_or(usize::MAX).min(self.limits.catalog_page);
        let mut conn = self.db.read().await?;
        let names =
            repository::catalog(&mut conn, caller.viewer(), &page.last, one_more(size)).await?;
        Ok(cut(names, Some(size)))
    }
}

/// One more than a page holds tells whether there is another.
fn one_more(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1) + 1
}

fn cut(mut names: Vec<String>, size: Option<usize>) -> Listed {
    let more = size.filter(|size| *size > 0 && names.len() > *size);
    names.truncate(size.unwrap_or(usize::MAX));
    Listed { names, more }
}
