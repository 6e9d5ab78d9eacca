//! Collecting garbage: it goes on by itself; here it is asked for at once, scheduled, and told about.

use roadstead_model::{CollectionParameters, GARBAGE_COLLECTION, Resource};
use serde_json::{Map, Value};

use crate::executions::{Described, Work};
use crate::failure::Failure;
use crate::guard::Routes;

const MOST_WORKERS: i64 = 10;

static WORK: Work = Work {
    job: GARBAGE_COLLECTION,
    path: "/system/gc",
    id: "gc_id",
    resource: Resource::GarbageCollection,
    described: Described {
        tag: "gc",
        history: ["getGCHistory", "List the collections of garbage"],
        one: ["getGC", "Find a collection"],
        stop: ["stopGC", "Stop a collection"],
        log: ["getGCLog", "Read what a collection did"],
        schedule: ["getGCSchedule", "Find the schedule of collections"],
        create: ["createGCSchedule", "Collect garbage now, or on a schedule"],
        update: ["updateGCSchedule", "Change the schedule of collections"],
    },
    noun: "collection",
    event: "gc",
    schedule_event: "gc_schedule",
    alone: true,
    read: read_parameters,
};

pub(crate) fn register(routes: &mut Routes) {
    WORK.register(routes);
}

/// What is left out is false, and there is one worker, as in Harbor.
fn read_parameters(map: &Map<String, Value>) -> Result<String, Failure> {
    let switch = |name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Failure::bad_request(format!("{name} must be true or false"))),
    };
    let workers = match map.get("workers") {
        None | Some(Value::Null) => 1,
        Some(value) => value
            .as_i64()
            .filter(|workers| (1..=MOST_WORKERS).contains(workers))
            .ok_or_else(|| {
                Failure::bad_request(format!(
                    "workers must be a whole number from 1 to {MOST_WORKERS}"
                ))
            })?,
    };
    let parameters = CollectionParameters {
        delete_untagged: switch("delete_untagged")?,
        delete_tag: switch("delete_tag")?,
        forget_deleted: switch("forget_deleted")?,
        dry_run: switch("dry_run")?,
        workers,
        ..CollectionParameters::default()
    };
    serde_json::to_string(&parameters)
        .map_err(|_| Failure::bad_request("the parameters cannot be kept"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(parameters: Value) -> Option<CollectionParameters> {
        let Value::Object(map) = parameters else { panic!("no object") };
        read_parameters(&map).ok().map(|kept| serde_json::from_str(&kept).unwrap())
    }

    #[test]
    fn what_is_left_out_is_off_and_what_means_nothing_is_refused() {
        assert_eq!(read(json!({})), Some(CollectionParameters::default()));
        let all = json!({"delete_untagged": true, "delete_tag": true, "dry_run": true, "workers": 10,
            "redis_url_reg": "ignored"});
        let found = read(all).unwrap();
        assert!(found.delete_untagged && found.delete_tag && found.dry_run);
        assert_eq!(found.workers, 10);
        for bad in [
            json!({"workers": 0}),
            json!({"workers": 11}),
            json!({"workers": 1.5}),
            json!({"workers": "3"}),
            json!({"delete_untagged": "yes"}),
            json!({"dry_run": 1}),
        ] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }
}
