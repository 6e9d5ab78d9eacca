//! Leases: work that one replica at a time should do, kept among the single values. A lease saves
//! doing things twice; nothing may be wrong when two replicas hold it for a moment.

use roadstead_model::Timestamp;

use crate::{Result, Tx};

/// What the settings' names begin with.
const PREFIX: &str = "lease.";

/// Takes a lease until a moment, or keeps it, where `held` is the end that the caller's own lease
/// has so far. False while somebody else has it.
pub async fn take(
    tx: &mut Tx,
    name: &str,
    held: Option<Timestamp>,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let taken = tx
        .query(
            "INSERT INTO setting (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value
             WHERE CAST(setting.value AS BIGINT) <= $3 OR setting.value = $4",
        )
        .bind(format!("{PREFIX}{name}"))
        .bind(until.0.to_string())
        .bind(now.0)
        .bind(held.map(|held| held.0.to_string()).unwrap_or_default())
        .execute()
        .await?;
    Ok(taken == 1)
}

/// Gives a lease back that ends at `held`.
pub async fn release(tx: &mut Tx, name: &str, held: Timestamp) -> Result<()> {
    tx.query("UPDATE setting SET value = '0' WHERE name = $1 AND value = $2")
        .bind(format!("{PREFIX}{name}"))
        .bind(held.0.to_string())
        .execute()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_until_the_end_or_until_it_is_given_back() {
        crate::testing::on_both_engines(async || {
            let (_directory, db) = crate::testing::database(1).await;
            let mut tx = db.begin().await.unwrap();
            let at = |second: i64| Timestamp(second * 1_000_000);
            assert!(take(&mut tx, "x", None, at(10), at(0)).await.unwrap());
            assert!(!take(&mut tx, "x", None, at(11), at(9)).await.unwrap());
            assert!(!take(&mut tx, "x", Some(at(9)), at(12), at(9)).await.unwrap());
            assert!(take(&mut tx, "x", Some(at(10)), at(15), at(9)).await.unwrap());
            assert!(take(&mut tx, "y", None, at(10), at(9)).await.unwrap());
            assert!(take(&mut tx, "x", None, at(20), at(15)).await.unwrap());
            release(&mut tx, "x", at(15)).await.unwrap();
            assert!(!take(&mut tx, "x", None, at(25), at(16)).await.unwrap());
            release(&mut tx, "x", at(20)).await.unwrap();
            assert!(take(&mut tx, "x", None, at(25), at(16)).await.unwrap());
        })
        .await;
    }
}
