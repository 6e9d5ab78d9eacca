//! Purging the audit log: now, or on a schedule.

use roadstead_model::{OTHER_EVENTS, PURGE_AUDIT_LOG, PurgeParameters, Resource};
use roadstead_storage::tables::audit::EVENT_TYPES;
use serde_json::{Map, Value};

use crate::executions::{Described, Work};
use crate::failure::Failure;
use crate::guard::Routes;

/// The longest time that events can be kept, in hours.
const LONGEST_RETENTION: i64 = 240_000;

static WORK: Work = Work {
    job: PURGE_AUDIT_LOG,
    path: "/system/purgeaudit",
    id: "purge_id",
    resource: Resource::PurgeAudit,
    described: Described {
        tag: "purge",
        history: ["getPurgeHistory", "List the purges of the audit log"],
        one: ["getPurgeJob", "Find a purge"],
        stop: ["stopPurge", "Stop a purge"],
        log: ["getPurgeJobLog", "Read what a purge did"],
        schedule: ["getPurgeSchedule", "Find the schedule of purges"],
        create: ["createPurgeSchedule", "Purge now, or on a schedule"],
        update: ["updatePurgeSchedule", "Change the schedule of purges"],
    },
    noun: "purge",
    event: "purge",
    schedule_event: "purge_schedule",
    alone: false,
    read: read_parameters,
};

pub(crate) fn register(routes: &mut Routes) {
    WORK.register(routes);
}

/// What older clients say instead: `create`, `delete` and `pull`, of anything.
fn of_operations(text: &str) -> Option<String> {
    let mut types = Vec::new();
    for operation in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !["create", "delete", "pull"].contains(&operation) {
            return None;
        }
        let is_of = |name: &&&str| name.split('_').next() == Some(operation);
        types.extend(EVENT_TYPES.iter().filter(is_of).copied());
    }
    Some(types.join(","))
}

fn read_parameters(map: &Map<String, Value>) -> Result<String, Failure> {
    let hours = map.get("audit_retention_hour").and_then(Value::as_i64);
    let hours = hours.filter(|hours| (1..=LONGEST_RETENTION).contains(hours)).ok_or_else(|| {
        Failure::bad_request(format!(
            "audit_retention_hour must be a whole number from 1 to {LONGEST_RETENTION}"
        ))
    })?;
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    let types = match (text("include_event_types"), text("include_operations")) {
        (Some(types), _) => Some(types.to_owned()),
        (None, Some(operations)) => of_operations(operations),
        (None, None) => None,
    };
    let types = types.ok_or_else(|| {
        Failure::bad_request("include_event_types must be names with commas between them")
    })?;
    let dry_run = match map.get("dry_run") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(dry_run)) => *dry_run,
        Some(_) => return Err(Failure::bad_request("dry_run must be true or false")),
    };
    let parameters = PurgeParameters {
        audit_retention_hour: hours,
        include_event_types: types,
        dry_run,
        purged: None,
    };
    // A name that is misspelt would keep its events for ever.
    if let Some(unknown) =
        parameters.event_types().find(|name| !EVENT_TYPES.contains(name) && *name != OTHER_EVENTS)
    {
        return Err(Failure::bad_request(format!(
            "there is no event type {unknown:?}; /api/v2.0/auditlog-exts/events lists them"
        )));
    }
    serde_json::to_string(&parameters)
        .map_err(|_| Failure::bad_request("the parameters cannot be kept"))
}

#[cfg(test)]
mod tests {
    use roadstead_model::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::executions::{ScheduleReq, Wanted};

    fn read(body: Value) -> Result<Wanted, Failure> {
        serde_json::from_value::<ScheduleReq>(body).unwrap().read(&WORK, Timestamp(0))
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
        let older = json!({"audit_retention_hour": 24, "include_operations": "create, pull"});
        let Ok(Wanted::Now(kept)) = read(body("Manual", "", &older)) else {
            panic!("refused");
        };
        let kept: PurgeParameters = serde_json::from_str(&kept).unwrap();
        let types: Vec<&str> = kept.event_types().collect();
        assert!(types.contains(&"create_artifact") && types.contains(&"create_project"));
        assert!(!types.contains(&"delete_artifact"), "{types:?}");
        for bad in [
            json!({}),
            json!({"audit_retention_hour": 24, "include_operations": "create,nonsense"}),
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
        // So Harbor's clients reset a schedule.
        for schedule in [json!({"cron": ""}), json!({"type": null, "cron": null}), json!({})] {
            let body = json!({"schedule": schedule, "parameters": {}});
            assert!(matches!(read(body), Ok(Wanted::Never)));
        }
        assert!(read(body("", "0 0 0 * * *", &good)).is_err());
    }
}
