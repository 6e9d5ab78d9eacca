//! Background work in Harbor's words: servers are pools of workers, executions are jobs, and each
//! kind of work is a queue that can be paused.

use std::time::{Duration, Instant};

use roadstead_tests::cast::{PASSWORD, on_system};
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const QUEUES: &str = "/jobservice/queues";
const GC: &str = "GARBAGE_COLLECTION";
const PURGE: &str = "PURGE_AUDIT_LOG";

/// Asks for an execution; returns its path.
async fn ask(admin: &Person, what: &str) -> String {
    let parameters =
        json!({"audit_retention_hour": 24, "include_event_types": "", "dry_run": true});
    let body = json!({"schedule": {"type": "Manual"}, "parameters": parameters});
    admin.make(&format!("/system/{what}/schedule"), &body).await.0
}

async fn status(admin: &Person, path: &str) -> String {
    admin.read(path).await["job_status"].as_str().unwrap().to_owned()
}

/// Waits until an execution has ended well.
async fn done(admin: &Person, path: &str) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while status(admin, path).await != "Success" {
        assert!(Instant::now() < deadline, "{path} is {}", status(admin, path).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two purges one after the other: by then every kind of work was looked for.
async fn a_while(admin: &Person) {
    for _ in 0..2 {
        let one = ask(admin, "purgeaudit").await;
        done(admin, &one).await;
    }
}

async fn act(person: &Person, job: &str, action: &str) {
    person.change("PUT", &format!("{QUEUES}/{job}"), &json!({"action": action})).await;
}

/// The queue of a kind of work.
async fn queue(person: &Person, job: &str) -> Value {
    let all = person.read(QUEUES).await;
    let found = all.as_array().unwrap().iter().find(|queue| queue["job_type"] == job);
    found.cloned().unwrap_or_else(|| panic!("no queue {job}: {all}"))
}

/// The number of an execution.
fn id(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

fn server() -> (Server, Person) {
    let server = Setup::new().start();
    let admin = server.admin();
    (server, admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_waits_until_it_is_resumed() {
    let (mut server, admin) = server();
    // As in Harbor, figures that are none are left out.
    let empty = json!({"job_type": GC, "paused": false});
    assert_eq!(queue(&admin, GC).await, empty);
    act(&admin, GC, "pause").await;
    act(&admin, GC, "pause").await;
    let one = ask(&admin, "gc").await;
    a_while(&admin).await;
    assert_eq!(status(&admin, &one).await, "Pending");
    let waiting = queue(&admin, GC).await;
    assert_eq!((&waiting["count"], &waiting["paused"]), (&json!(1), &json!(true)));
    assert!(waiting["latency"].as_i64().unwrap() >= 1, "{waiting}");
    assert_eq!(queue(&admin, PURGE).await["paused"], false);
    // It is kept: another process does not begin it either.
    server.terminate();
    server.wait();
    server.start();
    let admin = server.admin();
    a_while(&admin).await;
    assert_eq!(status(&admin, &one).await, "Pending");
    act(&admin, &GC.to_lowercase(), "resume").await;
    done(&admin, &one).await;
    assert_eq!(queue(&admin, GC).await, empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_queue_of_harbor_is_listed() {
    let (_server, admin) = server();
    let queues = admin.read(QUEUES).await;
    let queues = queues.as_array().unwrap().iter().map(|queue| queue["job_type"].as_str().unwrap());
    let mut names: Vec<&str> = queues.collect();
    names.sort_unstable();
    let expected = [
        "AUDIT_LOGS_GDPR_COMPLIANT",
        "EXECUTION_SWEEP",
        "GARBAGE_COLLECTION",
        "IMAGE_SCAN",
        "P2P_PREHEAT",
        "PURGE_AUDIT_LOG",
        "REPLICATION",
        "RETENTION",
        "SCAN_DATA_EXPORT",
        "SCHEDULER",
        "SLACK",
        "SYSTEM_ARTIFACT_CLEANUP",
        "WEBHOOK",
    ];
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_given_up_when_its_queue_is_stopped() {
    let (_server, admin) = server();
    act(&admin, "all", "pause").await;
    let all = admin.read(QUEUES).await;
    let paused = all.as_array().unwrap().iter().filter(|queue| queue["paused"] == true);
    assert_eq!(paused.count(), 4, "{all}");
    let (collection, purge) = (ask(&admin, "gc").await, ask(&admin, "purgeaudit").await);
    act(&admin, GC, "stop").await;
    assert_eq!(status(&admin, &collection).await, "Stopped");
    assert_eq!(status(&admin, &purge).await, "Pending");
    act(&admin, "all", "resume").await;
    done(&admin, &purge).await;
    assert_eq!(status(&admin, &collection).await, "Stopped");
    for (job, body, expected) in [
        ("NOTHING", json!({"action": "pause"}), 404),
        ("REPLICATION", json!({"action": "pause"}), 404),
        // Nothing waits there, so there is nothing to give up.
        ("NOTHING", json!({"action": "stop"}), 200),
        (GC, json!({"action": "delete"}), 422),
        (GC, json!({}), 422),
    ] {
        let found = admin.status("PUT", &format!("{QUEUES}/{job}"), &body).await;
        assert_eq!(found, expected, "{job} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_listed_and_ask_for_nothing_while_they_are_paused() {
    let (server, admin) = server();
    for (what, cron) in [("gc", "0 0 0 * * *"), ("purgeaudit", "0 30 * * * *")] {
        let parameters = json!({"audit_retention_hour": 24, "include_event_types": ""});
        let body = json!({"schedule": {"type": "Custom", "cron": cron}, "parameters": parameters});
        admin.make(&format!("/system/{what}/schedule"), &body).await;
    }
    let mut found = admin.read("/schedules").await;
    for schedule in found.as_array_mut().unwrap() {
        let changed = schedule.as_object_mut().unwrap().remove("update_time").unwrap();
        assert!(changed.as_str().unwrap().ends_with('Z'));
    }
    let expected = json!([
        {"id": 1, "vendor_type": GC, "vendor_id": -1, "cron": "0 0 0 * * *"},
        {"id": 2, "vendor_type": PURGE, "vendor_id": -1, "cron": "0 30 * * * *"},
    ]);
    assert_eq!(found, expected);
    let page = admin.get("/api/v2.0/schedules?page=2&page_size=1").await;
    assert_eq!(header(&page, "x-total-count"), "2");
    let page: Value = page.json().await.unwrap();
    assert_eq!((page[0]["vendor_type"].as_str(), &page[1]), (Some(PURGE), &Value::Null));
    let paused = async || admin.read("/schedules/all/paused").await;
    assert_eq!(paused().await, json!({"paused": false}));
    act(&admin, "scheduler", "pause").await;
    assert_eq!(paused().await, json!({"paused": true}));
    server.sql("UPDATE schedule SET next_at = 1").await;
    a_while(&admin).await;
    assert_eq!(admin.read("/system/gc?q=trigger%3DSCHEDULE").await, json!([]));
    act(&admin, "SCHEDULER", "resume").await;
    let deadline = Instant::now() + Duration::from_mins(1);
    while admin.read("/system/gc?q=trigger%3DSCHEDULE").await == json!([]) {
        assert!(Instant::now() < deadline, "no schedule asks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let of_one = admin.call("GET", "/schedules/GARBAGE_COLLECTION/paused", &Value::Null).await;
    assert_eq!(of_one.status(), 400);
    let text = of_one.text().await.unwrap();
    assert!(text.contains("job_type can only be 'all'"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_a_pool_with_a_worker_for_each_kind_of_work() {
    let (mut server, admin) = server();
    let deadline = Instant::now() + Duration::from_secs(30);
    while admin.read("/jobservice/pools").await == json!([]) {
        assert!(Instant::now() < deadline, "no pool");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pools = admin.read("/jobservice/pools").await;
    let [pool] = pools.as_array().unwrap().as_slice() else { panic!("{pools}") };
    assert_eq!(pool["pid"], server.pid());
    assert_eq!(pool["concurrency"], 3);
    assert!(!pool["host"].as_str().unwrap().is_empty());
    let own = pool["worker_pool_id"].as_str().unwrap().to_owned();
    let workers = admin.read("/jobservice/pools/all/workers").await;
    assert_eq!(admin.read(&format!("/jobservice/pools/{own}/workers")).await, workers);
    assert_eq!(workers.as_array().unwrap().len(), 3);
    assert!(workers.as_array().unwrap().iter().all(|worker| worker["pool_id"] == own.as_str()));
    assert_eq!(admin.read("/jobservice/pools/none/workers").await, json!([]));
    // What runs is shown where it runs.
    let one = ask(&admin, "purgeaudit").await;
    done(&admin, &one).await;
    let number = id(&one);
    server.sql(&format!("UPDATE execution SET status = 'Running' WHERE id = {number}")).await;
    let workers = admin.read("/jobservice/pools/all/workers").await;
    let mut busy =
        workers.as_array().unwrap().iter().filter(|worker| worker["job_id"] != Value::Null);
    let worker = busy.next().unwrap_or_else(|| panic!("{workers}"));
    assert_eq!((&worker["job_name"], &worker["job_id"]), (&json!(PURGE), &json!(number)));
    assert!(worker["start_at"].as_str().unwrap().ends_with('Z'));
    assert!(busy.next().is_none());
    // Another process is another pool, and the one that ended is gone.
    server.terminate();
    server.wait();
    server.start();
    let admin = server.admin();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let pools = admin.read("/jobservice/pools").await;
        if pools[0]["pid"] == server.pid() && pools[1] == Value::Null {
            break;
        }
        assert!(Instant::now() < deadline, "{pools}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_read_and_stopped_one_by_one_and_all() {
    let (server, admin) = server();
    let first = ask(&admin, "purgeaudit").await;
    done(&admin, &first).await;
    let log = admin.get(&format!("/api/v2.0/jobservice/jobs/{}/log", id(&first))).await;
    assert!(header(&log, "content-type").starts_with("text/plain"));
    let log = log.text().await.unwrap();
    assert!(log.contains("would be deleted (dry run)"), "{log}");
    let stop = async |job: &str| {
        admin.status("PUT", &format!("/jobservice/jobs/{job}"), &Value::Null).await
    };
    assert_eq!(stop(&id(&first)).await, 200);
    assert_eq!(status(&admin, &first).await, "Success", "it had ended");
    act(&admin, PURGE, "pause").await;
    let waiting = ask(&admin, "purgeaudit").await;
    let second = ask(&admin, "purgeaudit").await;
    let number = id(&second);
    server.sql(&format!("UPDATE execution SET status = 'Running' WHERE id = {number}")).await;
    assert_eq!(stop("all").await, 200);
    assert_eq!(status(&admin, &second).await, "Stopped");
    assert_eq!(status(&admin, &waiting).await, "Pending", "only what runs is stopped");
    assert_eq!(stop(&id(&waiting)).await, 200);
    assert_eq!(status(&admin, &waiting).await, "Stopped");
    for job in ["99999", "none"] {
        assert_eq!(stop(job).await, 200, "it does not run");
        let path = format!("/jobservice/jobs/{job}/log");
        assert_eq!(admin.status("GET", &path, &Value::Null).await, 404, "{job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_looks_at_background_work_and_stops_it() {
    let (server, admin) = server();
    admin.create_user("alice").await;
    let alice = server.person("alice", PASSWORD);
    let looks = admin.robot_with("system", "l", &[on_system("jobservice-monitor:list")]).await;
    let stops = admin.robot_with("system", "s", &[on_system("jobservice-monitor:stop")]).await;
    let (looks, stops) = (server.robot(&looks), server.robot(&stops));
    let pause = json!({"action": "pause"});
    for (method, path, of_stopping) in [
        ("GET", "/jobservice/pools", false),
        ("GET", "/jobservice/pools/all/workers", false),
        ("GET", "/jobservice/queues", false),
        ("GET", "/schedules", false),
        ("PUT", "/jobservice/queues/GARBAGE_COLLECTION", true),
        ("PUT", "/jobservice/jobs/all", true),
    ] {
        for (person, expected) in [
            (&looks, if of_stopping { 403 } else { 200 }),
            (&stops, if of_stopping { 200 } else { 403 }),
            (&alice, 403),
            (&server.nobody(), 401),
        ] {
            assert_eq!(person.status(method, path, &pause).await, expected, "{method} {path}");
        }
    }
    let paused = "/schedules/all/paused";
    assert_eq!(alice.read(paused).await, json!({"paused": false}));
    assert_eq!(server.nobody().status("GET", paused, &Value::Null).await, 401);
}
