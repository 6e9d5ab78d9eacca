//! Work that runs when it is asked for, or on a schedule. What is asked for becomes a row; a worker
//! does it.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use roadstead_auth::Caller;
use roadstead_model::Resource;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::execution::{self, Execution};
use roadstead_storage::tables::schedule::{self, Schedule};
use roadstead_storage::{Turn, Tx};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorted_or};
use crate::page::ListQuery;
use crate::{Api, BASE};

mod routes;
mod shapes;

use shapes::ExecHistory;
pub(crate) use shapes::{NO_TIME, ScheduleReq, Wanted};

const COLUMNS: [Column; 5] = [
    Column::new("id", "e.id", Kind::Integer),
    Column::new("status", "e.status", Kind::Text).also(&["job_status"]),
    Column::new("trigger", "e.kind", Kind::Text).also(&["job_kind"]),
    Column::new("start_time", "e.created_at", Kind::Time).also(&["creation_time"]),
    Column::new("update_time", "e.updated_at", Kind::Time),
];

/// What the document of the API calls the routes of a kind of work: a tag for all of them, and for
/// each its id and a summary.
pub(crate) struct Described {
    pub(crate) tag: &'static str,
    pub(crate) history: [&'static str; 2],
    pub(crate) one: [&'static str; 2],
    pub(crate) stop: [&'static str; 2],
    pub(crate) log: [&'static str; 2],
    pub(crate) schedule: [&'static str; 2],
    pub(crate) create: [&'static str; 2],
    pub(crate) update: [&'static str; 2],
}

/// A kind of work, with its words.
pub(crate) struct Work {
    /// Its name in the database.
    pub(crate) job: &'static str,
    /// Where it is.
    pub(crate) path: &'static str,
    /// The name of an execution's id in paths.
    pub(crate) id: &'static str,
    /// What permissions call it.
    pub(crate) resource: Resource,
    /// Its routes in the document of the API.
    pub(crate) described: Described,
    /// What messages call an execution, and the path its id.
    pub(crate) noun: &'static str,
    /// What the events of its executions are about.
    pub(crate) event: &'static str,
    /// What the events of its schedule are about.
    pub(crate) schedule_event: &'static str,
    /// Whether nobody may ask for it while it runs.
    pub(crate) alone: bool,
    /// Checks parameters, and writes them as they are kept.
    pub(crate) read: fn(&Map<String, Value>) -> Result<String, Failure>,
}

impl Work {
    /// A page of its executions.
    async fn history(&self, api: &Api, query: &str) -> Result<Response, Failure> {
        let query = ListQuery::parse(query)?;
        let conditions = filters(&query, &COLUMNS)?.conditions;
        let usual = [("e.created_at", true), ("e.id", true)];
        let order = sorted_or(&query, &COLUMNS, usual)?;
        let mut conn = api.db.read().await?;
        let total = execution::count(&mut conn, self.job, &conditions).await?;
        let (limit, offset) = (query.limit(), query.offset());
        let found =
            execution::list(&mut conn, self.job, &conditions, &order, limit, offset).await?;
        let answers: Vec<ExecHistory> = found.into_iter().map(ExecHistory::from).collect();
        Ok(query.answer(&format!("{BASE}{}", self.path), total, &answers))
    }

    async fn find(&self, api: &Api, id: &str) -> Result<Execution, Failure> {
        let noun = self.noun;
        let id = id.parse().map_err(|_| {
            Failure::unprocessable(format!("the id of a {noun} must be a whole number"))
        })?;
        let found = execution::find(&mut api.db.read().await?, self.job, id).await?;
        found.ok_or_else(|| Failure::not_found(format!("{noun} {id} not found")))
    }

    /// One of its executions.
    async fn get(&self, api: &Api, id: &str) -> Result<Json<ExecHistory>, Failure> {
        Ok(Json(self.find(api, id).await?.into()))
    }

    /// What one of its executions did.
    async fn log(&self, api: &Api, id: &str) -> Result<Response, Failure> {
        let text = self.find(api, id).await?.log;
        Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
    }

    /// Stops one; one that has ended already stays as it is.
    async fn stop(&self, api: &Api, caller: &Caller, id: &str) -> Result<StatusCode, Failure> {
        let found = self.find(api, id).await?;
        let now = api.clock.now();
        let mut tx = api.db.begin().await?;
        let line = format!("stopped by {}", caller.actor().name);
        if execution::stop(&mut tx, found.id, &line, now).await? {
            let resource = format!("execution {}", found.id);
            let event = Event::of(self.event, &resource, "stop");
            audit::record(&mut tx, caller.actor(), event, now).await?;
            tx.commit().await?;
        }
        Ok(StatusCode::OK)
    }

    /// Its schedule; without one the body is empty.
    async fn schedule(&self, api: &Api) -> Result<Response, Failure> {
        let found = schedule::find(&mut api.db.read().await?, self.job).await?;
        Ok(found.map_or_else(
            || StatusCode::OK.into_response(),
            |schedule| Json(ExecHistory::from(schedule)).into_response(),
        ))
    }

    /// Asks for an execution, or makes a schedule.
    async fn create(
        &self,
        api: &Api,
        caller: &Caller,
        request: ScheduleReq,
    ) -> Result<Response, Failure> {
        let made = self.accept(api, caller, request).await?;
        let last = made.map_or_else(|| "schedule".to_owned(), |id| id.to_string());
        let location = format!("{BASE}{}/{last}", self.path);
        Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
    }

    /// Does what both ways of asking do: returns the execution of what runs at once.
    async fn accept(
        &self,
        api: &Api,
        caller: &Caller,
        request: ScheduleReq,
    ) -> Result<Option<i64>, Failure> {
        let now = api.clock.now();
        let wanted = request.read(self, now)?;
        let mut tx = api.db.begin_turn(Turn::Executions).await?;
        let (resource, operation, made) = match &wanted {
            Wanted::Now(_) if self.alone && execution::is_active(&mut tx, self.job).await? => {
                let noun = self.noun;
                return Err(Failure::conflict(format!("a {noun} runs already, or waits to")));
            }
            Wanted::Now(parameters) => {
                let id = execution::insert(&mut tx, self.job, "MANUAL", parameters, now).await?;
                (self.event, "create", Some(id))
            }
            Wanted::Never if schedule::remove(&mut tx, self.job).await? => {
                (self.schedule_event, "delete", None)
            }
            Wanted::Never => return Ok(None),
            Wanted::Repeatedly(new) => (self.schedule_event, put(&mut tx, new).await?, None),
        };
        let name = match (made, &wanted) {
            (Some(id), _) => format!("execution {id}"),
            (None, Wanted::Repeatedly(new)) => new.cron.clone(),
            _ => String::new(),
        };
        let event = Event::of(resource, &name, operation).described(wanted.parameters());
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
        Ok(made)
    }
}

/// Writes the schedule; says whether that made or changed it.
async fn put(tx: &mut Tx, new: &Schedule) -> Result<&'static str, Failure> {
    let known = schedule::find(tx, &new.job).await?.is_some();
    schedule::put(tx, new).await?;
    Ok(if known { "update" } else { "create" })
}
