//! The labels of an artifact.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, RepositoryName, Resource, Timestamp};
use roadstead_storage::tables::artifact::Artifact;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::label;
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::{Error as StorageError, Tx};

use crate::Api;
use crate::artifacts::{named, reference_in};
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::labels::LabelReq;
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let all =
        "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/labels";
    let access = |action| Access::Repository(permission(Resource::ArtifactLabel, action));
    let about = |id, summary| Description::new(id, "artifact", summary);
    let description = about("addLabel", "Give an artifact a label");
    routes
        .add(&Method::POST, all, access(Action::Create), add, description)
        .accepts::<LabelReq>()
        .fails(&[409]);
    let description = about("removeLabel", "Take a label from an artifact");
    let one = format!("{all}/{{label_id}}");
    routes.add(&Method::DELETE, &one, access(Action::Delete), remove, description);
}

fn no_label(id: i64) -> Failure {
    Failure::not_found(format!("label {id} not found"))
}

/// Of the body only the id is read.
async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Extension(name): Extension<RepositoryName>,
    Path(path): Path<HashMap<String, String>>,
    Body(request): Body<LabelReq>,
) -> Result<StatusCode, Failure> {
    let (id, now) = (request.id, api.clock.now());
    let mut tx = api.db.begin().await?;
    project::share(&mut tx, project.id).await?;
    let artifact = named(&mut tx, &name, reference_in(&path)).await?;
    let done = label::attach(&mut tx, project.id, artifact.id, id).await;
    let done = done.map_err(|error| match error {
        StorageError::Conflict => Failure::conflict(format!("the artifact has label {id} already")),
        StorageError::Reference => Failure::not_found("the artifact or the label is gone"),
        other => other.into(),
    })?;
    if !done {
        return Err(no_label(id));
    }
    let about = Carried { project: &project, name: &name, artifact: &artifact, label: id };
    about.record(&mut tx, &caller, "create", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Extension(name): Extension<RepositoryName>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let (id, now) = (number(&path, "label_id")?, api.clock.now());
    let mut tx = api.db.begin().await?;
    project::share(&mut tx, project.id).await?;
    let artifact = named(&mut tx, &name, reference_in(&path)).await?;
    if !label::detach(&mut tx, artifact.id, id).await? {
        return Err(no_label(id));
    }
    let about = Carried { project: &project, name: &name, artifact: &artifact, label: id };
    about.record(&mut tx, &caller, "delete", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

/// That an artifact carries a label.
struct Carried<'a> {
    project: &'a Project,
    name: &'a RepositoryName,
    artifact: &'a Artifact,
    label: i64,
}

impl Carried<'_> {
    async fn record(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        operation: &'static str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Self { project, name, artifact, label: id } = self;
        let resource = format!("{name}@{}", artifact.digest);
        let found = label::find(tx, *id).await?;
        let words = found.map_or_else(|| format!("label {id}"), |label| label.name);
        let event = Event::of("artifact_label", &resource, operation).in_project(project.id);
        Ok(audit::record(tx, caller.actor(), event.described(&words), now).await?)
    }
}
