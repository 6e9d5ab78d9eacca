//! Deleting a project that holds no content any more.

use roadstead_auth::{Caller, robots};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::{binding, repository};
use roadstead_storage::{Error as StorageError, Turn};

use crate::Registry;
use crate::error::{Error, Result};

impl Registry {
    /// Deletes a project on behalf of `by`, whose permission is checked by the caller: with it go
    /// what was left of its repositories, its members, robots, rules and settings. Tokens for it
    /// end, because they carry its id.
    ///
    /// # Errors
    /// [`Error::ProjectNotEmpty`] while a repository has content; [`Error::ProjectUnknown`].
    pub async fn delete_project(&self, by: &Caller, project: &Project) -> Result<()> {
        let (id, name) = (project.id, project.name.as_str());
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        if !project::lock(&mut tx, id, now).await? {
            return Err(Error::ProjectUnknown(name.to_owned()));
        }
        if project::count_repositories(&mut tx, id).await? > 0 {
            return Err(Error::ProjectNotEmpty);
        }
        let pushed_meanwhile = |error| match error {
            Error::Storage(StorageError::Reference) => Error::PushedMeanwhile(name.to_owned()),
            other => other,
        };
        for left in repository::ids_in(&mut tx, id).await? {
            let removed = self.remove_repository(&mut tx, id, left, now).await;
            removed.map_err(pushed_meanwhile)?;
        }
        robots::delete_all_in(&mut tx, id, now).await?;
        binding::remove_all_in(&mut tx, id).await?;
        project::remove(&mut tx, id, now).await.map_err(|error| pushed_meanwhile(error.into()))?;
        let event = Event::of("project", name, "delete").in_project(id);
        audit::record(&mut tx, by.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }
}
