//! The rows of a server, whose file is looked into: nobody has the time to push a hundred thousand.

use std::path::Path;

use anyhow::Context as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

async fn open(data: &Path) -> anyhow::Result<SqliteConnection> {
    let file = data.join("roadstead.db");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .busy_timeout(std::time::Duration::from_secs(10));
    options.connect().await.with_context(|| file.display().to_string())
}

/// Runs these statements in one transaction.
pub(crate) async fn change(data: &Path, statements: &[&str]) -> anyhow::Result<()> {
    let mut connection = open(data).await?;
    let mut transaction = connection.begin().await?;
    for statement in statements {
        let statement = AssertSqlSafe((*statement).to_owned());
        sqlx::raw_sql(statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(connection.close().await?)
}

/// The number that a statement finds.
pub(crate) async fn number(data: &Path, statement: &str) -> anyhow::Result<i64> {
    let mut connection = open(data).await?;
    let row = sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_one(&mut connection).await?;
    let number = row.try_get(0)?;
    connection.close().await?;
    Ok(number)
}
