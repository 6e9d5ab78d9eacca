//! Executions and schedules on the wire.

use roadstead_model::{Repetition, Timestamp};
use roadstead_storage::tables::execution::Execution;
use roadstead_storage::tables::schedule::Schedule;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Work;
use crate::body::null_as_default;
use crate::failure::Failure;

/// What Harbor prints for no time.
pub(crate) const NO_TIME: Timestamp = Timestamp(-62_135_596_800_000_000);

/// Harbor's `ExecHistory`, which is also its `GCHistory`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExecHistory {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    job_name: String,
    job_kind: String,
    job_parameters: String,
    schedule: ScheduleObj,
    #[serde(skip_serializing_if = "String::is_empty")]
    job_status: String,
    creation_time: String,
    update_time: String,
}

/// Harbor's `ScheduleObj`.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ScheduleObj {
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    cron: String,
    next_scheduled_time: String,
}

impl From<Execution> for ExecHistory {
    fn from(found: Execution) -> Self {
        let kind = match found.kind.as_str() {
            "MANUAL" => "Manual",
            "EVENT" => "Event",
            _ => "Schedule",
        };
        Self {
            id: Some(found.id),
            job_name: found.job,
            job_kind: found.kind,
            job_parameters: found.parameters,
            schedule: ScheduleObj {
                kind: kind.to_owned(),
                cron: String::new(),
                next_scheduled_time: NO_TIME.rfc3339(),
            },
            job_status: found.status,
            creation_time: found.created_at.rfc3339(),
            update_time: found.updated_at.rfc3339(),
        }
    }
}

impl From<Schedule> for ExecHistory {
    fn from(found: Schedule) -> Self {
        Self {
            id: None,
            job_name: String::new(),
            job_kind: found.cron.clone(),
            job_parameters: found.parameters,
            schedule: ScheduleObj {
                kind: found.kind,
                cron: found.cron,
                next_scheduled_time: found.next_at.unwrap_or(NO_TIME).rfc3339(),
            },
            job_status: String::new(),
            creation_time: found.created_at.rfc3339(),
            update_time: found.updated_at.rfc3339(),
        }
    }
}

/// Harbor's `Schedule`.
#[derive(Deserialize, ToSchema)]
#[schema(as = Schedule)]
#[schema(example = json!({
    "schedule": {"type": "Daily", "cron": "0 0 0 * * *"},
    "parameters": {"audit_retention_hour": 720, "include_event_types": "create_artifact"},
}))]
pub(crate) struct ScheduleReq {
    schedule: Option<ScheduleObj>,
    /// For a purge `audit_retention_hour`, `include_event_types` and `dry_run`; for a collection
    /// `delete_untagged`, `delete_tag`, `dry_run` and `workers`.
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
}

/// What a request asks for.
pub(crate) enum Wanted {
    /// An execution at once, with these parameters.
    Now(String),
    /// No schedule.
    Never,
    /// This schedule.
    Repeatedly(Schedule),
}

impl Wanted {
    /// What executions are to do, in JSON.
    pub(crate) fn parameters(&self) -> &str {
        match self {
            Self::Now(parameters) => parameters,
            Self::Never => "",
            Self::Repeatedly(schedule) => &schedule.parameters,
        }
    }
}

impl ScheduleReq {
    /// What is asked for at the moment `now`.
    pub(crate) fn read(self, work: &Work, now: Timestamp) -> Result<Wanted, Failure> {
        let schedule =
            self.schedule.ok_or_else(|| Failure::bad_request("schedule must not be empty"))?;
        let parameters = self.parameters.unwrap_or_default();
        match schedule.kind.as_str() {
            "None" => Ok(Wanted::Never),
            // So Harbor's clients reset a schedule.
            "" if schedule.cron.is_empty() => Ok(Wanted::Never),
            "Manual" => Ok(Wanted::Now((work.read)(&parameters)?)),
            "Hourly" | "Daily" | "Weekly" | "Custom" => {
                let repetition = read_cron(&schedule.cron)?;
                let next_at = repetition.next(now);
                let next_at = next_at
                    .ok_or_else(|| Failure::bad_request("this cron matches no moment to come"))?;
                Ok(Wanted::Repeatedly(Schedule {
                    job: work.job.to_owned(),
                    vendor: 0,
                    kind: schedule.kind,
                    cron: schedule.cron,
                    parameters: (work.read)(&parameters)?,
                    next_at: Some(next_at),
                    created_at: now,
                    updated_at: now,
                }))
            }
            _ => Err(Failure::unprocessable(
                "schedule.type must be one of Hourly, Daily, Weekly, Custom, Manual and None",
            )),
        }
    }
}

/// As in Harbor, nothing repeats more often than every minute.
fn read_cron(text: &str) -> Result<Repetition, Failure> {
    let repetition =
        Repetition::parse(text).map_err(|error| Failure::bad_request(error.to_string()))?;
    if text.split_ascii_whitespace().next() == Some("0") {
        Ok(repetition)
    } else {
        Err(Failure::bad_request("the first field of cron, the seconds, must be 0"))
    }
}
