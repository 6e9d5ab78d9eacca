//! Robot accounts: who a pipeline or a cluster is.

use roadstead_model::{PrincipalId, ProjectId, ProjectName, Timestamp};
use roadstead_storage::tables::audit::Event;
use roadstead_storage::tables::binding;
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::robot::{self, NewRobot, Robot};
use roadstead_storage::tables::secret::{self, Secret};
use roadstead_storage::tables::{audit, principal};
use roadstead_storage::{Conn, Error as StorageError, Turn, Tx};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::permissions::{self, Entry};
use crate::secrets;

mod offspring;

/// How many secrets a robot has at most: the one in use, and the one that takes its place.
const MOST_SECRETS: usize = 2;
const LONGEST_DESCRIPTION: usize = 1024;
const FOR_EVER: i64 = -1;
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// What a robot is made from.
#[derive(Clone, Debug)]
pub struct NewRobotAccount {
    /// Without prefix and project.
    pub name: String,
    /// Free text.
    pub description: String,
    /// In days; -1 is for ever.
    pub duration: i64,
    /// The project it belongs to; None at system level.
    pub project: Option<Project>,
    /// What it may do.
    pub permissions: Vec<Entry>,
}

/// What may change of a robot.
#[derive(Clone, Debug)]
pub struct RobotChange {
    /// Free text.
    pub description: String,
    /// In days, counted from its creation; -1 is for ever.
    pub duration: i64,
    /// May not do anything.
    pub disabled: bool,
    /// What it may do, all of it.
    pub permissions: Vec<Entry>,
}

/// A robot that was made, with its secret, which is told once.
#[derive(Clone, Debug)]
pub struct Created {
    /// The robot.
    pub robot: Robot,
    /// The secret.
    pub secret: String,
}

impl Auth {
    /// Makes a robot on behalf of `by`, whose permission to make one is checked by the caller. It
    /// gets no more than its maker has, and, from a robot, no longer a life.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`], [`Error::Denied`] with a message for people.
    pub async fn create_robot(&self, by: &Caller, new: &NewRobotAccount) -> Result<Created> {
        check_name(&new.name)?;
        check_description(&new.description)?;
        let now = self.clock.now();
        let project = new.project.as_ref().map(|project| project.id);
        let expires_at = expiry(new.duration, now)?;
        permissions::check(&new.permissions, project)?;
        let entries = permissions::joined(&new.permissions);
        let by_id = by.id().ok_or(Error::BadCredentials)?;
        let name = match &new.project {
            Some(project) => format!("{}+{}", project.name, new.name),
            None => new.name.clone(),
        };
        let generated = secrets::generate()?;
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        // What changes the maker at the same time comes before this or after it.
        principal::share(&mut tx, by_id).await?;
        let maker = principal::find(&mut tx, by_id).await?.filter(|maker| maker.works(now));
        let maker = maker.ok_or(Error::BadCredentials)?;
        let complete = permissions::completed(&entries, project.is_some());
        permissions::require_no_more_than(&mut tx, by, &complete).await?;
        let row = NewRobot {
            name: &name,
            project,
            description: &new.description,
            duration: new.duration,
            expires_at: offspring::no_later(expires_at, &maker),
            creator_type: if by.is_robot() { "robot" } else { "local" },
            creator: by_id,
        };
        let id = match robot::insert(&mut tx, row, now).await {
            Err(StorageError::Conflict) => {
                return Err(Error::Conflict("a robot of this name exists already"));
            }
            result => result?,
        };
        permissions::bind(&mut tx, id, &entries, project.is_some(), now).await?;
        secret::insert(&mut tx, id, &secrets::verifier(&generated), None, now).await?;
        record(&mut tx, by, project, &name, "create", "", now).await?;
        let robot = robot::find(&mut tx, id).await?.ok_or(Error::NotFound("robot"))?;
        tx.commit().await?;
        Ok(Created { robot, secret: generated })
    }

    /// Changes a robot on behalf of `by`; its permissions are replaced as a whole. Robots that it
    /// made, and that now have more than it, are disabled.
    ///
    /// # Errors
    /// As for [`Self::create_robot`].
    pub async fn update_robot(&self, by: &Caller, robot: &Robot, to: &RobotChange) -> Result<()> {
        check_description(&to.description)?;
        let now = self.clock.now();
        let expires_at = if to.duration == robot.duration {
            robot.expires_at
        } else {
            expiry(to.duration, robot.created_at)?
        };
        permissions::check(&to.permissions, robot.project)?;
        let entries = permissions::joined(&to.permissions);
        let of_project = robot.project.is_some();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        principal::touch(&mut tx, robot.id, now).await?;
        let complete = permissions::completed(&entries, of_project);
        permissions::require_no_more_than(&mut tx, by, &complete).await?;
        robot::update(&mut tx, robot.id, &to.description, to.duration, expires_at, now).await?;
        principal::set_disabled(&mut tx, robot.id, to.disabled, now).await?;
        binding::remove_all_of(&mut tx, robot.id).await?;
        permissions::bind(&mut tx, robot.id, &entries, of_project, now).await?;
        offspring::adopt_if_more(&mut tx, by, robot.id).await?;
        let what = match (robot.disabled, to.disabled) {
            (false, true) => "disabled",
            (true, false) => "enabled",
            _ => "",
        };
        record(&mut tx, by, robot.project, &robot.name, "update", what, now).await?;
        offspring::follow(&mut tx, by, robot.id, now).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a robot on behalf of `by`. Robots that it made are disabled.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_robot(&self, by: &Caller, robot: &Robot) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        if !principal::remove(&mut tx, robot.id, now).await? {
            return Err(Error::NotFound("robot"));
        }
        record(&mut tx, by, robot.project, &robot.name, "delete", "", now).await?;
        offspring::follow(&mut tx, by, robot.id, now).await?;
        Ok(tx.commit().await?)
    }

    /// Gives a robot another secret in place of all that it has: `chosen`, or a generated one,
    /// which is returned.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the chosen secret breaks the rule for passwords; [`Error::Denied`]
    /// when the robot has more than `by`, who would be as strong with its secret.
    pub async fn refresh_robot(
        &self,
        by: &Caller,
        robot: &Robot,
        chosen: &str,
    ) -> Result<Option<String>> {
        let generated = if chosen.is_empty() { Some(secrets::generate()?) } else { None };
        let verifier = match &generated {
            Some(secret) => secrets::verifier(secret),
            None => secrets::verifier_of_chosen(chosen).await?,
        };
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        require_equal(&mut tx, by, robot).await?;
        secret::remove_all_of(&mut tx, robot.id).await?;
        secret::insert(&mut tx, robot.id, &verifier, None, now).await?;
        record(&mut tx, by, robot.project, &robot.name, "update", "secret replaced", now).await?;
        tx.commit().await?;
        Ok(generated)
    }

    /// Gives a robot a second secret beside the one in use, so that what uses it can be changed
    /// over without a gap. Returns the secret's id and the secret.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has two; [`Error::Denied`] as for [`Self::refresh_robot`].
    pub async fn add_robot_secret(&self, by: &Caller, robot: &Robot) -> Result<(i64, String)> {
        let generated = secrets::generate()?;
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        require_equal(&mut tx, by, robot).await?;
        // Writing first makes two of these at once wait for each other.
        let id =
            secret::insert(&mut tx, robot.id, &secrets::verifier(&generated), None, now).await?;
        principal::touch(&mut tx, robot.id, now).await?;
        if secret::of_principal(&mut tx, robot.id).await?.len() > MOST_SECRETS {
            return Err(Error::Conflict(
                "the robot has two secrets already; remove the old one first",
            ));
        }
        record(&mut tx, by, robot.project, &robot.name, "update", "secret added", now).await?;
        tx.commit().await?;
        Ok((id, generated))
    }

    /// Takes one of a robot's secrets back; what was issued with it ends.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for the last one.
    pub async fn remove_robot_secret(&self, by: &Caller, robot: &Robot, id: i64) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin_turn(Turn::Authority).await?;
        principal::touch(&mut tx, robot.id, now).await?;
        if !secret::remove(&mut tx, robot.id, id).await? {
            return Err(Error::NotFound("secret"));
        }
        if secret::of_principal(&mut tx, robot.id).await?.is_empty() {
            return Err(Error::Conflict(
                "a robot's last secret cannot be removed; disable or delete the robot",
            ));
        }
        record(&mut tx, by, robot.project, &robot.name, "update", "secret removed", now).await?;
        Ok(tx.commit().await?)
    }

    /// A robot's secrets, without what they are.
    pub async fn robot_secrets(&self, robot: &Robot) -> Result<Vec<Secret>> {
        Ok(secret::of_principal(&mut self.db.read().await?, robot.id).await?)
    }

    /// What a robot may do, as it was given.
    pub async fn robot_permissions(&self, conn: &mut Conn, id: PrincipalId) -> Result<Vec<Entry>> {
        permissions::of(conn, id).await
    }
}

/// Deletes every robot of a project that goes away.
pub async fn delete_all_in(tx: &mut Tx, project: ProjectId, now: Timestamp) -> Result<()> {
    for id in robot::ids_in(tx, project).await? {
        principal::remove(tx, id, now).await?;
    }
    Ok(())
}

/// Requires that a caller has everything that a robot has.
async fn require_equal(tx: &mut Tx, by: &Caller, robot: &Robot) -> Result<()> {
    let entries = permissions::of(tx, robot.id).await?;
    let complete = permissions::completed(&entries, robot.project.is_some());
    permissions::require_no_more_than(tx, by, &complete).await
}

fn check_name(name: &str) -> Result<()> {
    if name.parse::<ProjectName>().is_ok() {
        return Ok(());
    }
    Err(Error::Invalid(
        "the name of a robot must have lower-case letters and digits, with single '.', '_' or '-' \
         between them",
    ))
}

fn check_description(description: &str) -> Result<()> {
    if description.chars().count() <= LONGEST_DESCRIPTION {
        return Ok(());
    }
    Err(Error::Invalid("the description must have at most 1024 characters"))
}

/// When something that lives for so many days ends.
fn expiry(days: i64, from: Timestamp) -> Result<Option<Timestamp>> {
    match days {
        FOR_EVER => Ok(None),
        1..=2_147_483_647 => Ok(Some(Timestamp(from.0.saturating_add(days.saturating_mul(DAY))))),
        _ => Err(Error::Invalid("the duration must be -1 or a positive number of days")),
    }
}

async fn record(
    tx: &mut Tx,
    by: &Caller,
    project: Option<ProjectId>,
    name: &str,
    operation: &'static str,
    description: &str,
    now: Timestamp,
) -> Result<()> {
    let event = Event::of("robot", name, operation).described(description);
    let event = Event { project, ..event };
    Ok(audit::record(tx, by.actor(), event, now).await?)
}
