//! Whatever is sent, by whomever: each answer is one that the document names for that operation,
//! with a body as it describes it, and none is a 5xx. schemathesis makes the requests out of the
//! document: its examples, limits, wrong types, missing fields, wrong headers, and random ones.

use std::collections::BTreeMap;

use roadstead_tests::cast::{PASSWORD, Robot};
use roadstead_tests::{ADMIN_PASSWORD, Server};

use serde_json::{Value, json};

use crate::samples::Samples;
use crate::{DOCUMENT, python};

/// How many random requests there are for each operation; `ROADSTEAD_FUZZ` says another number.
const EXAMPLES: &str = "3";

/// What is compared with the document.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// What a robot of a project can be given, so that it gets to what is behind the permissions.
const OF_ROBOT: &str = "project:read metadata:read repository:list repository:read repository:pull \
                        repository:push repository:update artifact:read artifact:list \
                        artifact:create tag:list tag:create label:list label:create quota:read \
                        member:list robot:list robot:read tag-retention:read immutable-tag:list";

/// What is asked: first for what can be read and changed, and then that things be deleted, so that
/// there is something to be read before. Those who are refused almost everywhere get no requests
/// at the limits of each field, unless there is time.
fn runs(thorough: bool) -> Vec<String> {
    let wanted = std::env::var("ROADSTEAD_FUZZ").ok();
    let phases =
        if thorough || wanted.is_some() { "examples,coverage,fuzzing" } else { "examples,fuzzing" };
    let examples = wanted.unwrap_or_else(|| EXAMPLES.to_owned());
    let run = |which| format!("--phases {phases} --max-examples {examples} {which}");
    ["--exclude-method DELETE", "--include-method DELETE"].map(run).into()
}

/// Sends requests to a server of their own, as one caller.
async fn fuzz(
    name: &str,
    thorough: bool,
    credentials: impl AsyncFnOnce(&Samples) -> Option<(String, String)>,
) {
    let samples = Samples::new().await;
    schedules(&samples.server).await;
    let credentials = credentials(&samples).await;
    let server = &samples.server;
    let known = serde_json::to_string(&samples.ours().ids).expect("JSON");
    let seed = std::env::var("ROADSTEAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u32 = seed.unwrap_or_else(rand::random);
    println!("{name}: ROADSTEAD_TEST_SEED={seed}");
    let url = server.url("");
    let runs = runs(thorough);
    let text = tokio::task::spawn_blocking(move || {
        let ask = |run: &[&str]| {
            python::run("schemathesis", |command| {
                command
                    .env("ROADSTEAD_SAMPLES", &known)
                    .env("SCHEMATHESIS_HOOKS", "hooks.py")
                    .args(["run", DOCUMENT, "--url", &url, "--checks", CHECKS])
                    .args(["--seed", &seed.to_string(), "--no-shrink", "--continue-on-failure"])
                    .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
                    .args(["--generation-database", "none", "--request-timeout", "60"])
                    .args(run);
                if let Some((user, password)) = &credentials {
                    command.args(["--auth", &format!("{user}:{password}")]);
                }
            })
        };
        let words = runs.iter().map(|run| run.split(' ').collect::<Vec<_>>());
        words.map(|run| ask(&run)).collect::<String>()
    });
    let text = text.await.expect("schemathesis");
    for line in text.lines().filter(|line| line.contains("generated")) {
        println!("{name}: {}", line.trim());
    }
    let health: Value = server.nobody().read_json("/api/v2.0/health").await;
    assert_eq!(health["status"], "healthy", "{health}");
    let log = server.log();
    let statuses = statuses(&log);
    println!("{name}: {statuses:?}");
    if name == "admin" {
        // Else it no longer gets to what is behind the permissions and the checks.
        let done: usize = statuses.range(200..300).map(|(_, count)| count).sum();
        assert!(done > 600, "only {done} requests did something");
    }
    for trouble in ["panicked", "ERROR", "does not name the status"] {
        let line = log.lines().find(|line| line.contains(trouble));
        assert!(line.is_none(), "{name} brought this about: {line:?}");
    }
}

/// How often each status was answered.
fn statuses(log: &str) -> BTreeMap<u16, usize> {
    let mut all = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(status) = line["status"].as_u64().and_then(|status| status.try_into().ok()) {
            *all.entry(status).or_default() += 1;
        }
    }
    all
}

/// Where there is no schedule, Harbor answers with nothing, which no schema can say.
async fn schedules(server: &Server) {
    let schedule = json!({"type": "Daily", "cron": "0 0 0 * * *"});
    let parameters = json!({"audit_retention_hour": 24, "include_event_types": "create_user"});
    for kind in ["gc", "purgeaudit"] {
        let path = format!("/api/v2.0/system/{kind}/schedule");
        let body = json!({"schedule": schedule, "parameters": parameters});
        assert_eq!(server.admin().json("POST", &path, &body).await, 201, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_answered_as_the_document_says() {
    fuzz("admin", true, async |_| Some(("admin".into(), ADMIN_PASSWORD.into()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_of_a_project_is_answered_as_the_document_says() {
    fuzz("project admin", false, async |_| Some(("project-admin".into(), PASSWORD.into()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_answered_as_the_document_says() {
    fuzz("guest", false, async |samples| {
        let admin = samples.server.admin();
        admin.create_user("guest").await;
        admin.add_member("ours", "guest", 3, "").await;
        Some(("guest".into(), PASSWORD.into()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_is_answered_as_the_document_says() {
    fuzz("robot", false, async |samples| {
        let owner = samples.server.person("project-admin", PASSWORD);
        let Robot { name, secret, .. } = owner.project_robot("ours", "fuzzer", OF_ROBOT).await;
        Some((name, secret))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_as_the_document_says() {
    fuzz("nobody", false, async |_| None).await;
}
