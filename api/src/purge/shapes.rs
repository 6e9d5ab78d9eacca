//! Purges and their schedule on the wire.

use roadstead_model::{PURGE_AUDIT_LOG, PurgeParameters, Repetition, Timestamp};
use roadstead_storage::tables::audit::EVENT_TYPES;
use roadstead_storage::tables::execution::Execution;
use roadstead_storage::tables::schedule::Schedule;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::failure::Failure;

/// The longest time that events can be kept, in hours.
const LONGEST_RETENTION: i64 = 240_000;
/// What Harbor prints for no time.
const NO_TIME: Timestamp = Timestamp(-62_135_596_800_000_000);

/// Harbor's `ExecHistory`.
#[derive(Serialize, ToSchema)]
pub(super) struct ExecHistory {
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
pub(super) struct ScheduleObj {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cron: String,
    next_scheduled_time: String,
}

impl From<Execution> for ExecHistory {
    fn from(found: Execution) -> Self {
        let kind = if found.kind == "MANUAL" { "Manual" } else { "Schedule" };
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
pub(super) struct ScheduleReq {
    schedule: Option<ScheduleObj>,
    /// `audit_retention_hour`, `include_event_types` and `dry_run`.
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
}

/// What a request asks for.
pub(super) enum Wanted {
    /// A purge at once, with these parameters.
    Now(String),
    /// No schedule.
    Never,
    /// This schedule.
    Repeatedly(Schedule),
}

impl Wanted {
    /// What purges are to do, in JSON.
    pub(super) fn parameters(&self) -> &str {
        match self {
            Self::Now(parameters) => parameters,
            Self::Never => "",
            Self::Repeatedly(schedule) => &schedule.parameters,
        }
    }
}

impl ScheduleReq {
    /// What is asked for at the moment `now`.
    pub(super) fn read(self, now: Timestamp) -> Result<Wanted, Failure> {
        let schedule =
            self.schedule.ok_or_else(|| Failure::bad_request("schedule must not be empty"))?;
        let parameters = self.parameters.unwrap_or_default();
        match schedule.kind.as_str() {
            "None" => Ok(Wanted::Never),
            "Manual" => Ok(Wanted::Now(read_parameters(&parameters)?)),
            "Hourly" | "Daily" | "Weekly" | "Custom" => {
                let repetition = read_cron(&schedule.cron)?;
                let next_at = repetition.next(now);
                let next_at = next_at
                    .ok_or_else(|| Failure::bad_request("this cron matches no moment to come"))?;
                Ok(Wanted::Repeatedly(Schedule {
                    job: PURGE_AUDIT_LOG.to_owned(),
                    kind: schedule.kind,
                    cron: schedule.cron,
                    parameters: read_parameters(&parameters)?,
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

fn read_parameters(map: &Map<String, Value>) -> Result<String, Failure> {
    let hours = map.get("audit_retention_hour").and_then(Value::as_i64);
    let hours = hours.filter(|hours| (1..=LONGEST_RETENTION).contains(hours)).ok_or_else(|| {
        Failure::bad_request(format!(
            "audit_retention_hour must be a whole number from 1 to {LONGEST_RETENTION}"
        ))
    })?;
    let types = map.get("include_event_types").and_then(Value::as_str).ok_or_else(|| {
        Failure::bad_request("include_event_types must be names with commas between them")
    })?;
    let dry_run = match map.get("dry_run") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(dry_run)) => *dry_run,
        Some(_) => return Err(Failure::bad_request("dry_run must be true or false")),
    };
    let parameters = PurgeParameters {
        audit_retention_hour: hours,
        include_event_types: types.to_owned(),
        dry_run,
        purged: None,
    };
    // A name that is misspelt would keep its events for ever.
    if let Some(unknown) = parameters.event_types().find(|name| !EVENT_TYPES.contains(name)) {
        return Err(Failure::bad_request(format!(
            "there is no event type {unknown:?}; /api/v2.0/auditlog-exts/events lists them"
        )));
    }
    serde_json::to_string(&parameters)
        .map_err(|_| Failure::bad_request("the parameters cannot be kept"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Wanted, Failure> {
        serde_json::from_value::<ScheduleReq>(body).unwrap().read(Timestamp(0))
    }

    fn body(kind: &str, cron: &str, parameters: &Value) -> Value {
        json!({"schedule": {"type": kind, "cron": cron}, "parameters": parameters})
    }

    #[test]
    fn parameters_are_checked_before_anything_is_kept() {
        let good = json!({"audit_retention_hour": 24, "include_event_types": "create_artifact"});
        let Ok(Wanted::Now(kept)) = read(body("Manual", "", &good)) else {
            panic!("refused");
        };
        let kept: PurgeParameters = serde_json::from_str(&kept).unwrap();
        assert_eq!((kept.audit_retention_hour, kept.dry_run), (24, false));
        for bad in [
            json!({}),
            json!({"audit_retention_hour": 24}),
            json!({"include_event_types": "create_artifact"}),
            json!({"audit_retention_hour": 0, "include_event_types": ""}),
            json!({"audit_retention_hour": 240_001, "include_event_types": ""}),
            json!({"audit_retention_hour": 1.5, "include_event_types": ""}),
            json!({"audit_retention_hour": "24", "include_event_types": ""}),
            json!({"audit_retention_hour": 24, "include_event_types": "create_artefact"}),
            json!({"audit_retention_hour": 24, "include_event_types": ["create_artifact"]}),
            json!({"audit_retention_hour": 24, "include_event_types": "", "dry_run": "yes"}),
        ] {
            assert!(read(body("Manual", "", &bad)).is_err(), "{bad}");
            assert!(read(body("Daily", "0 0 0 * * *", &bad)).is_err(), "{bad}");
        }
        for cron in ["", "0 0 * * *", "* 0 0 * * *", "0 0 0 30 2 *"] {
            assert!(read(body("Custom", cron, &good)).is_err(), "{cron}");
        }
        assert!(read(body("Sometimes", "0 0 0 * * *", &good)).is_err());
        assert!(read(json!({"parameters": {}})).is_err());
        assert!(matches!(read(body("None", "", &Value::Null)), Ok(Wanted::Never)));
    }
}
