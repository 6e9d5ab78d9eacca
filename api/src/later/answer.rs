//! What operations that are not there yet answer.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Uri};
use roadstead_auth::Caller;
use roadstead_model::RepositoryName;
use serde_json::{Value, json};
use utoipa::openapi::schema::Type;

use super::shapes::{ScanDataExportExecutionList, ScanDataExportRequest};
use super::{exports, security};
use crate::Api;
use crate::artifacts::named;
use crate::failure::Failure;
use crate::guard::number;
use crate::openapi::Description;
use crate::page::ListQuery;

/// Says of what a list or a map would be.
pub(super) type Of = fn(&mut Description) -> &mut Description;

/// What an operation answers whoever may ask.
pub(super) enum Answer {
    /// A page of a list that has nothing in it.
    EmptyPage(Of),
    /// The same in a project, for those who have logged in.
    EmptyPageForPeople(Of),
    /// A list that has nothing in it and no pages.
    EmptyList(Of),
    /// A map that has nothing in it.
    EmptyMap(Of),
    /// There is no such thing: what it is, and the parameter that names it.
    NotFound(&'static str, &'static str),
    /// There is no such thing, whoever has logged in asks: what it is.
    NoneForPeople(&'static str),
    /// It cannot be done: why.
    NotHere(&'static str),
    /// Something else must be there first, and is not: what.
    Lacks(&'static str),
    /// The same for an artifact, which must exist.
    ArtifactLacks(&'static str),
    /// There is no such thing of an artifact, which must exist: what it is.
    NoneOfArtifact(&'static str),
    /// A map that has nothing in it, for an artifact, which must exist.
    EmptyMapOfArtifact,
    /// What is known of vulnerabilities.
    SecuritySummary,
    /// The exports of the caller.
    Exports,
    /// A new export.
    NewExport,
    /// An icon, by its digest.
    Icon,
}

/// What was asked.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) repository: Option<RepositoryName>,
    pub(super) path: HashMap<String, String>,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The parameters that are numbers.
const NUMBERS: [&str; 3] = ["id", "execution_id", "task_id"];

impl Asked {
    fn parameter(&self, name: &str) -> Result<&str, Failure> {
        if NUMBERS.contains(&name) {
            number(&self.path, name)?;
        }
        Ok(self.path.get(name).map_or("", String::as_str))
    }

    fn by_people(&self) -> Result<(), Failure> {
        self.caller.require_login().map(drop).map_err(Failure::refused)
    }

    fn page(&self) -> Result<Response, Failure> {
        let query = ListQuery::parse(self.uri.query().unwrap_or_default())?;
        Ok(query.answer::<Value>(self.uri.path(), 0, &[]))
    }

    async fn artifact(&self, api: &Api) -> Result<(), Failure> {
        let missing = || Failure::not_found("there is no such repository");
        let name = self.repository.as_ref().ok_or_else(missing)?;
        let reference = self.parameter("reference")?;
        named(&mut api.db.read().await?, name, reference).await.map(drop)
    }
}

fn not_found(what: &str, name: &str) -> Failure {
    Failure::not_found(format!("{what} {name} not found"))
}

impl Answer {
    /// Answers.
    pub(super) async fn give(&self, api: &Api, asked: &Asked) -> Result<Response, Failure> {
        match self {
            Self::EmptyPage(_) => asked.page(),
            Self::EmptyPageForPeople(_) => {
                asked.by_people()?;
                asked.page()
            }
            Self::EmptyList(_) => Ok(Json(json!([])).into_response()),
            Self::EmptyMap(_) => Ok(Json(json!({})).into_response()),
            Self::NotFound(what, name) => Err(not_found(what, asked.parameter(name)?)),
            Self::NoneForPeople(what) => {
                asked.by_people()?;
                Err(Failure::not_found(format!("there is no {what}")))
            }
            Self::NotHere(why) => Err(Failure::not_found(*why)),
            Self::Lacks(what) => Err(Failure::precondition(*what)),
            Self::ArtifactLacks(what) => {
                asked.artifact(api).await?;
                Err(Failure::precondition(*what))
            }
            Self::NoneOfArtifact(what) => {
                asked.artifact(api).await?;
                Err(Failure::not_found(format!("the artifact has no {what}")))
            }
            Self::EmptyMapOfArtifact => {
                asked.artifact(api).await?;
                Ok(Json(json!({})).into_response())
            }
            Self::SecuritySummary => security::summary(api).await,
            Self::Exports => Ok(Json(json!({"items": []})).into_response()),
            Self::NewExport => Err(exports::refuse(api, asked).await),
            Self::Icon => Err(security::no_icon(asked.parameter("digest")?)),
        }
    }

    /// Says what is answered, in the document of the API.
    pub(super) fn describe(&self, description: &mut Description) {
        match self {
            Self::EmptyPage(of) | Self::EmptyPageForPeople(of) => of(description.listed()),
            Self::EmptyList(of) | Self::EmptyMap(of) => of(description),
            Self::EmptyMapOfArtifact => description.answers_map::<Value>(),
            Self::Exports => description.answers::<ScanDataExportExecutionList>(),
            Self::SecuritySummary => description
                .query("with_dangerous_cve", Type::Boolean)
                .query("with_dangerous_artifact", Type::Boolean)
                .answers::<security::SecuritySummary>(),
            Self::Lacks(_) | Self::ArtifactLacks(_) => description.status(412).fails(&[412]),
            Self::NewExport => description
                .needs_header("X-Scan-Data-Type")
                .accepts::<ScanDataExportRequest>()
                .status(404)
                .fails(&[404]),
            Self::NotFound(..)
            | Self::NoneForPeople(_)
            | Self::NotHere(_)
            | Self::NoneOfArtifact(_)
            | Self::Icon => description.status(404).fails(&[404]),
        };
    }
}
