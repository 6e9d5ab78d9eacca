//! Harbor's gc API.

use roadstead_tests::free_port;
use roadstead_tests::http::header;
use serde_json::{Value, json};

use super::stage::{GC, SCHEDULE, ask, collect, ended, on_demand, until};

fn body(kind: &str, cron: &str, parameters: &Value) -> Value {
    json!({"schedule": {"type": kind, "cron": cron}, "parameters": parameters})
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_asked_for_listed_and_read_as_in_harbor() {
    let server = on_demand().start();
    let admin = server.admin();
    assert_eq!(admin.read_json(GC).await, json!([]));
    let path = ask(&admin, &json!({"delete_untagged": true, "workers": 3})).await;
    let id: i64 = path.strip_prefix(&format!("{GC}/")).unwrap().parse().unwrap();
    let (results, log) = ended(&admin, &path).await;
    assert_eq!(
        results,
        json!({
            "delete_untagged": true, "delete_tag": false, "dry_run": false, "workers": 3,
            "freed_space": 0, "purged_blobs": 0, "purged_manifests": 0,
        })
    );
    assert!(log.contains("0 blobs"), "{log}");
    let mut found = admin.read_json(&path).await;
    for time in ["creation_time", "update_time"] {
        let time = found.as_object_mut().unwrap().remove(time).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    found.as_object_mut().unwrap().remove("job_parameters");
    assert_eq!(
        found,
        json!({
            "id": id, "job_name": "GARBAGE_COLLECTION", "job_kind": "MANUAL",
            "job_status": "Success",
            "schedule": {"type": "Manual", "next_scheduled_time": "0001-01-01T00:00:00.000Z"},
        })
    );
    collect(&admin, &json!({})).await;
    let list = admin.get(&format!("{GC}?page_size=1&sort=-id")).await;
    assert_eq!(header(&list, "x-total-count"), "2");
    assert!(header(&list, "link").contains("page=2"));
    let list: Value = list.json().await.unwrap();
    assert_eq!(list[0]["id"], id + 1);
    assert_eq!(admin.status_of("GET", &format!("{GC}/99")).await, 404);
    assert_eq!(admin.status_of("PUT", &format!("{GC}/99")).await, 404);
    assert_eq!(admin.status_of("GET", &format!("{GC}/99/log")).await, 404);
    assert_eq!(admin.status_of("GET", &format!("{GC}/x")).await, 422);
    let log = admin.get(&format!("{path}/log")).await;
    assert!(header(&log, "content-type").starts_with("text/plain"));
    assert_eq!(server.nobody().get(GC).await.status(), 401);
    admin.create_user("alice").await;
    assert_eq!(server.person("alice", "Password-1").get(GC).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_refused_and_two_at_once_as_well() {
    let server = on_demand().env("ROADSTEAD_COLLECTION_RATE", "1").start();
    let admin = server.admin();
    for (bad, expected) in [
        (body("Manual", "", &json!({"workers": 0})), 400),
        (body("Manual", "", &json!({"workers": 11})), 400),
        (body("Manual", "", &json!({"dry_run": "yes"})), 400),
        (body("Daily", "", &json!({})), 400),
        (body("Custom", "1 0 0 * * *", &json!({})), 400),
        (body("Custom", "0 0 0 30 2 *", &json!({})), 400),
        (json!({"parameters": {}}), 400),
        (body("Sometimes", "0 0 0 * * *", &json!({})), 422),
    ] {
        for method in ["POST", "PUT"] {
            assert_eq!(admin.json(method, SCHEDULE, &bad).await, expected, "{bad}");
        }
    }
    for number in 0..100_u8 {
        admin.push_blob("library/app", &[number]).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let path = ask(&admin, &json!({})).await;
    assert_eq!(admin.json("POST", SCHEDULE, &body("Manual", "", &json!({}))).await, 409);
    assert_eq!(admin.status_of("PUT", &path).await, 200);
    ask(&admin, &json!({"dry_run": true})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_ask_at_once_one_collection_comes() {
    for setup in [on_demand().sqlite(), on_demand().postgres()] {
        let server = setup.env("ROADSTEAD_COLLECTION_RATE", "1").start();
        let admin = server.admin();
        for number in 0..100_u8 {
            admin.push_blob("library/app", &[number]).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let manual = body("Manual", "", &json!({}));
        let asked = (0..12).map(|_| admin.json("POST", SCHEDULE, &manual));
        let mut told = futures_util::future::join_all(asked).await;
        told.sort_unstable();
        assert_eq!((told[0], told[1], told[11]), (201, 409, 409), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_is_made_changed_and_removed() {
    let server = on_demand().start();
    let admin = server.admin();
    let none = admin.get(SCHEDULE).await;
    assert_eq!((none.status().as_u16(), none.text().await.unwrap()), (200, String::new()));
    let daily = body("Daily", "0 0 0 * * *", &json!({"delete_untagged": true}));
    let made = admin.send("POST", SCHEDULE).json(&daily).send().await.unwrap();
    assert_eq!(made.status(), 201);
    assert_eq!(header(&made, "location"), SCHEDULE);
    let found = admin.read_json(SCHEDULE).await;
    assert_eq!(found["schedule"]["type"], "Daily");
    assert_eq!(found["schedule"]["cron"], "0 0 0 * * *");
    let parameters: Value =
        serde_json::from_str(found["job_parameters"].as_str().unwrap()).unwrap();
    assert_eq!(parameters["delete_untagged"], true);
    let weekly = body("Weekly", "0 0 0 * * 0", &json!({}));
    assert_eq!(admin.json("PUT", SCHEDULE, &weekly).await, 200);
    assert_eq!(admin.read_json(SCHEDULE).await["schedule"]["type"], "Weekly");
    let database = server.database().await;
    database.execute("UPDATE schedule SET next_at = 1", &[]).await;
    database.close().await;
    until("it has run", async || {
        let list = admin.read_json(GC).await;
        list[0]["job_kind"] == "SCHEDULE" && list[0]["job_status"] == "Success"
    })
    .await;
    assert_eq!(admin.read_json(GC).await.as_array().unwrap().len(), 1, "once, however late");
    assert_eq!(admin.json("PUT", SCHEDULE, &body("None", "", &json!({}))).await, 200);
    assert_eq!(admin.get(SCHEDULE).await.text().await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn background_work_is_told_of_once_a_day_and_counted_for_who_watches() {
    let port = free_port();
    let server =
        super::stage::quick().env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{port}")).start();
    let admin = server.admin();
    for text in ["one", "two two"] {
        admin.push_blob("library/app", text.as_bytes()).await;
        until("it is collected", async || super::stage::objects(&server) == 0).await;
    }
    let metrics = async || {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        client.get(url).send().await.unwrap().text().await.unwrap()
    };
    until("the history is written", async || {
        let list = admin.read_json(GC).await;
        list[0]["job_parameters"].as_str().is_some_and(|p| p.contains("\"freed_space\":10"))
    })
    .await;
    let list = admin.read_json(GC).await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["job_kind"], "EVENT");
    assert_eq!(list[0]["schedule"]["type"], "Event");
    let text = metrics().await;
    for line in [
        "roadstead_gc_collected_total{kind=\"blob\"} 2",
        "roadstead_gc_collected_total{kind=\"object\"} 2",
        "roadstead_gc_freed_bytes_total 10",
        "roadstead_gc_queue{kind=\"link\"}",
        "roadstead_gc_queue_age_seconds ",
        "roadstead_gc_transaction_seconds_bucket{le=\"0.05\"} ",
        "roadstead_gc_transaction_seconds_bucket{le=\"+Inf\"} ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
