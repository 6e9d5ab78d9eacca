//! A server that is killed leaves an event for each of its effects, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng as _;
use roadstead_tests::content::{self, MANIFEST, rng, sha256};
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use crate::stage::Stage;

const ACTORS: u32 = 6;

/// What was tried: by its name, the id of the request, and whether it was acknowledged.
type Journal = Arc<Mutex<BTreeMap<String, (String, bool)>>>;

/// Does one thing; the answer, unless the server went away.
async fn attempt(
    journal: &Journal,
    name: String,
    request: reqwest::RequestBuilder,
) -> Option<reqwest::Response> {
    let id = {
        let mut journal = journal.lock().unwrap();
        let id = format!("crash-{}", journal.len());
        journal.insert(name.clone(), (id.clone(), false));
        id
    };
    let answer = request.header("x-request-id", &id).send().await.ok()?;
    assert_eq!(answer.status(), 201, "{name}");
    journal.lock().unwrap().insert(name, (id, true));
    Some(answer)
}

/// Makes projects and pushes to them until the server goes away.
async fn work(admin: Person, journal: Journal, next: Arc<AtomicU32>) -> Option<()> {
    loop {
        let n = next.fetch_add(1, Ordering::SeqCst);
        let project = format!("crash-{n}");
        let body = json!({"project_name": project});
        let request = admin.send("POST", "/api/v2.0/projects").json(&body);
        attempt(&journal, project.clone(), request).await?;
        let bytes = format!("layer {n}").into_bytes();
        let uploads = format!("/v2/{project}/app/blobs/uploads/");
        for blob in [bytes.as_slice(), b"{}"] {
            let digest = sha256(blob);
            let request = admin.send("POST", &format!("{uploads}?digest={digest}"));
            attempt(&journal, format!("{project}/app@{digest}"), request.body(blob.to_vec()))
                .await?;
        }
        let manifest = serde_json::to_vec(&content::image(b"{}", &[&bytes])).unwrap();
        let digest = sha256(&manifest);
        let request = admin
            .send("PUT", &format!("/v2/{project}/app/manifests/v1"))
            .header("content-type", MANIFEST)
            .body(manifest);
        attempt(&journal, format!("{project}/app:v1@{digest}"), request).await?;
    }
}

/// Waits until so many more things were acknowledged, on a slow machine as well.
async fn until_done(journal: &Journal, more: usize) {
    let done = || journal.lock().unwrap().values().filter(|(_, answered)| *answered).count();
    let (wanted, since) = (done() + more, Instant::now());
    while done() < wanted {
        assert!(since.elapsed() < Duration::from_mins(1), "nothing goes on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Whether what an event says was done is there.
async fn is_there(admin: &Person, name: &str) -> bool {
    let path = match name.split_once('@') {
        None => format!("/api/v2.0/projects/{name}"),
        Some((repository, digest)) => match repository.split_once(':') {
            Some((repository, _tag)) => format!("/v2/{repository}/manifests/{digest}"),
            None => format!("/v2/{repository}/blobs/{digest}"),
        },
    };
    let status = admin.get(&path).await.status().as_u16();
    assert!(matches!(status, 200 | 404), "{path}: {status}");
    status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_there_is_an_event_for_each_effect_and_no_other() {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let mut rng = rng();
    let mut stage = Stage::new();
    let (journal, next) = (Journal::default(), Arc::new(AtomicU32::new(0)));
    for _ in 0..if quick { 5 } else { 20 } {
        let actors: Vec<_> = (0..ACTORS)
            .map(|_| tokio::spawn(work(stage.server.admin(), journal.clone(), next.clone())))
            .collect();
        until_done(&journal, rng.random_range(10..40)).await;
        stage.server.kill();
        for actor in actors {
            actor.await.expect("nobody was told anything wrong");
        }
        stage.server.start();
    }
    let admin = stage.server.admin();
    let events = stage.events("q=operation%3Dcreate,request_id%3D~crash-&page_size=0").await;
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    for event in &events {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let before = written.insert(text("resource"), text("request_id"));
        assert_eq!(before, None, "two events of {event}");
    }
    let journal = journal.lock().unwrap().clone();
    let mut acknowledged = 0;
    for (name, (request_id, answered)) in &journal {
        let event = written.get(name);
        assert_eq!(event.is_some(), is_there(&admin, name).await, "{name}: its event is {event:?}");
        if *answered {
            assert_eq!(event, Some(request_id), "{name} was acknowledged");
            acknowledged += 1;
        }
    }
    let tried: BTreeSet<&String> = journal.keys().collect();
    assert!(written.keys().all(|name| tried.contains(name)), "events of what nobody did");
    assert!(acknowledged > 50, "too little was done to prove anything: {acknowledged}");
    println!("{acknowledged} acknowledged changes, {} events", written.len());
    let unclear = events.iter().filter(|event| event["operation_result"] != Value::Bool(true));
    assert_eq!(unclear.count(), 0);
}
