//! Turns: what transactions wait for each other for where no row stands for it.
//!
//! On SQLite every transaction that writes waits for every other. On PostgreSQL only those wait
//! that write the same rows, and whoever looks before it writes must say for what else it waits.

use roadstead_model::PrincipalId;

use super::{Db, Tx};
use crate::error::Result;

/// Something that one transaction at a time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Changes of who may do what: accounts, groups, roles, members, robots, tokens, settings.
    /// They look at much before they write, and are rare.
    Authority,
    /// Saying which repositories a pattern matches: new repositories share it, and new patterns
    /// have it for themselves.
    Patterns,
    /// Asking for executions and changing schedules, of which some stand alone.
    Executions,
    /// Opening a principal's upload sessions, which are counted.
    Uploads(PrincipalId),
}

impl Turn {
    /// Two numbers, as PostgreSQL's advisory locks have them. Two principals with the same number
    /// wait for each other, which does no harm.
    fn numbers(self) -> (i32, i32) {
        // "RS" in front, because other programs in the same database have such locks, too.
        const OURS: i32 = 0x5253_0000;
        match self {
            Self::Authority => (OURS, 0),
            Self::Patterns => (OURS + 1, 0),
            Self::Executions => (OURS + 3, 0),
            Self::Uploads(id) => {
                let low = id.0.rem_euclid(1 << 31);
                (OURS + 2, i32::try_from(low).unwrap_or_default())
            }
        }
    }
}

impl Db {
    /// Starts a read-write transaction that has a turn for itself until it ends.
    pub async fn begin_turn(&self, turn: Turn) -> Result<Tx> {
        let mut tx = self.begin().await?;
        tx.take_turn(turn).await?;
        Ok(tx)
    }
}

impl Tx {
    /// Waits for every other transaction that has the turn, alone or together, and has it alone
    /// until the end. To be taken before any row is written, so that nobody waits in a circle.
    pub async fn take_turn(&mut self, turn: Turn) -> Result<()> {
        self.lock("SELECT CAST(pg_advisory_xact_lock($1, $2) AS TEXT)", turn).await
    }

    /// Waits for a transaction that has the turn alone, and has it together with others.
    pub(crate) async fn share_turn(&mut self, turn: Turn) -> Result<()> {
        self.lock("SELECT CAST(pg_advisory_xact_lock_shared($1, $2) AS TEXT)", turn).await
    }

    async fn lock(&mut self, postgres_only: &'static str, turn: Turn) -> Result<()> {
        if self.is_postgres() {
            let (class, object) = turn.numbers();
            let query = self.query(postgres_only).bind(class).bind(object);
            query.fetch_optional::<(Option<String>,)>().await?;
        }
        Ok(())
    }
}
