//! Changing the configuration.

use std::time::Duration;

use roadstead_model::{Origin, PrincipalId};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::{setting, user};
use roadstead_storage::{Conn, Turn, Tx};
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Configuration, Endpoint, Key, from_json, rules};
use crate::accounts::ADMIN;
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};

/// A setting that every change writes first, so that changes at the same time wait for each other.
const CHANGED_AT: &str = "configured_at";
/// How long a collector of audit events may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

type Changes = Vec<(&'static Key, String)>;

impl Auth {
    /// Whether the configuration was given at the start and cannot be changed.
    pub fn is_configuration_fixed(&self) -> bool {
        self.configuration.is_fixed()
    }

    /// Whether the mode of authentication can be changed: while there is nobody but the built-in
    /// administrator, whose accounts would be of the wrong kind afterwards.
    pub async fn may_change_auth_mode(&self, conn: &mut Conn) -> Result<bool> {
        let admin = user::find(conn, ADMIN).await?;
        let admin = admin.map_or(PrincipalId(0), |admin| admin.principal.id);
        Ok(user::count(conn, admin, &[]).await? == 0)
    }

    /// Changes keys on behalf of `by`, whose permission is checked by the caller: all of them, or
    /// none.
    ///
    /// # Errors
    /// [`Error::Denied`] when the configuration was given at the start; [`Error::Refused`] and
    /// [`Error::Invalid`] for what breaks a rule.
    pub async fn configure(&self, by: &Caller, changes: &[(&'static Key, String)]) -> Result<()> {
        if self.is_configuration_fixed() {
            return Err(Error::Denied(
                "the configuration is set where the server is started and cannot be changed",
            ));
        }
        let given = checked(changes)?;
        require_collector(&given).await?;
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let (before, changes) = self.differing(&mut tx, given.clone()).await?;
        self.check_passwords(&mut tx, &given, &changes).await?;
        self.check_change(&mut tx, &before, &changes).await?;
        self.write_changes(tx, by.actor(), before, &changes).await
    }

    /// Puts the keys of a JSON object over what is stored, and allows no other changes from then
    /// on. Unlike changes by people these may change the mode of authentication at any time.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Invalid`], whose messages name keys and no values.
    pub async fn fix_configuration(&self, json: &str) -> Result<()> {
        let object: Map<String, Value> = serde_json::from_str(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::Refused(format!("is no JSON object: line {line}, column {column}"))
        })?;
        if let Some(unknown) = object.keys().find(|name| Key::find(name).is_none()) {
            return Err(Error::Refused(format!("there is no key {unknown:?}")));
        }
        let changes = from_json(&object).map_err(|error| Error::Refused(error.to_string()))?;
        let changes = checked(&changes)?;
        let origin = Origin::default();
        let actor = Actor { principal: None, name: "system", origin: &origin };
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        let (before, changes) = self.differing(&mut tx, changes).await?;
        self.write_changes(tx, actor, before, &changes).await?;
        self.configuration.fix();
        Ok(())
    }

    /// The configuration as it is, and those of the changes that change something.
    async fn differing(&self, tx: &mut Tx, changes: Changes) -> Result<(Configuration, Changes)> {
        setting::set(tx, CHANGED_AT, &self.clock.now().0.to_string()).await?;
        let before = self.configuration.load(tx).await?;
        let mut differing = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            let present = if key.is_secret() {
                // One that does not open is replaced by any other.
                self.configuration.password_on(tx, key.name).await.ok()
            } else {
                Some(before.text(key.name).to_owned())
            };
            if present.as_ref() != Some(&value) {
                differing.push((key, value));
            }
        }
        Ok((before, differing))
    }

    /// No stored password goes to an address that somebody has just set.
    async fn check_passwords(
        &self,
        tx: &mut Tx,
        given: &[(&'static Key, String)],
        changes: &[(&'static Key, String)],
    ) -> Result<()> {
        for (address, password) in rules::misdirected(given, changes) {
            if !self.configuration.password_on(tx, password).await?.is_empty() {
                return Err(Error::Refused(format!(
                    "with another {address}, {password} must be given again"
                )));
            }
        }
        Ok(())
    }

    /// What must not change any more, or not to that.
    async fn check_change(
        &self,
        tx: &mut Tx,
        before: &Configuration,
        changes: &[(&'static Key, String)],
    ) -> Result<()> {
        for (key, value) in changes {
            let taken = match key.name {
                "auth_mode" => !self.may_change_auth_mode(tx).await?,
                "robot_name_prefix" => user::has_name_with(tx, value).await?,
                _ => false,
            };
            if taken {
                return Err(Error::Refused(match key.name {
                    "auth_mode" => format!(
                        "auth_mode stays {}: there are accounts beside the administrator's",
                        before.text("auth_mode")
                    ),
                    name => format!("{name}: the name of a person begins with it"),
                }));
            }
        }
        Ok(())
    }

    async fn write_changes(
        &self,
        mut tx: Tx,
        actor: Actor<'_>,
        before: Configuration,
        changes: &[(&'static Key, String)],
    ) -> Result<()> {
        let mut after = before;
        for (key, value) in changes.iter().filter(|(key, _)| !key.is_secret()) {
            after.set(key.name, value.clone());
        }
        rules::check_together(&after)?;
        if changes.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = changes.iter().map(|(key, _)| key.name).collect();
        let names = format!("changed {}", names.join(", "));
        let event = Event::of("configuration", "configuration", "update").described(&names);
        // Before the values: who switches the events of changes off leaves one of that.
        audit::record(&mut tx, actor, event, self.clock.now()).await?;
        for (key, value) in changes {
            self.configuration.write(&mut tx, key, value).await?;
        }
        tx.announce().await?;
        tx.commit().await?;
        self.configuration.refresh();
        Ok(())
    }
}

/// The changes as they are stored.
fn checked(changes: &[(&'static Key, String)]) -> Result<Changes> {
    changes.iter().map(|(key, value)| Ok((*key, rules::checked(key, value)?))).collect()
}

/// Somebody must listen where audit events are to be sent. The answer does not say what is wrong
/// there: it would tell about the network that the server stands in.
async fn require_collector(changes: &[(&'static Key, String)]) -> Result<()> {
    let given = changes.iter().find(|(key, _)| key.name == "audit_log_forward_endpoint");
    let Some(endpoint) = given.and_then(|(_, value)| value.parse::<Endpoint>().ok()) else {
        return Ok(());
    };
    let connecting = TcpStream::connect((endpoint.host(), endpoint.port()));
    match timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Error::Invalid("audit_log_forward_endpoint: nobody can be reached there")),
    }
}
