//! Every route of the API with every kind of caller, as the server's own document lists them: a
//! new route cannot be forgotten, and a change of who may do what shows as a changed line.

mod callers;
mod canaries;
mod good;
mod requests;
mod routes;
mod samples;
mod shape;
mod shapes;
mod undelete;

use std::fmt::Write as _;

use roadstead_tests::http::Person;
use serde_json::Value;

use callers::{Caller, callers};
use routes::{Route, routes};
use samples::Samples;

/// What each caller is answered, one line per route. `ROADSTEAD_UPDATE=1` writes it anew.
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/access_walk/statuses.snapshot");

/// The code that errors of a status mostly have.
fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        412 => "PRECONDITION",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        422 => "UNPROCESSABLE_ENTITY",
        _ => "",
    }
}

/// The status that a caller is answered, and the code of an error.
async fn ask(person: &Person, route: &Route, path: &str, body: &Value) -> (u16, String) {
    let mut request = person.send(&route.method, path);
    if route.changes() && route.method != "DELETE" {
        request = request.json(body);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    if status < 400 || route.method == "HEAD" {
        return (status, usual_code(status).to_owned());
    }
    let body: Value = answer.json().await.expect("an error in JSON");
    let code = body["errors"][0]["code"].as_str();
    (status, code.unwrap_or_else(|| panic!("{} {path}: {body}", route.method)).to_owned())
}

/// What must hold whatever the snapshot says.
fn check(route: &Route, caller: &Caller, status: u16, anonymous: u16) {
    let what = format!("{} {} for {}: {status}", route.method, route.path, caller.name);
    assert!(status < 500, "{what}");
    let done = (200..300).contains(&status);
    let open = route.access == "anyone";
    match caller.name {
        "nobody" => assert!(open || status == 401, "{what}"),
        "session-of-deleted" => assert_eq!(status, anonymous, "{what}"),
        "disabled" | "expired-robot" | "wrong-secret" | "deleted-token" => {
            assert_eq!(status, 401, "{what}");
        }
        _ => {}
    }
    let inside = route.access.starts_with("project ") || route.access.starts_with("repository ");
    if inside && matches!(caller.name, "plain" | "foreign-admin" | "system-robot") {
        assert!(!done, "{what}");
    }
    if route.access.starts_with("system ") {
        assert!(!done || matches!(caller.name, "sysadmin" | "system-robot"), "{what}");
    }
    if matches!(caller.name, "pull-robot" | "pull-token" | "limited-guest") && inside {
        assert!(!done || !route.changes(), "{what}");
    }
    // Whoever may only pull makes nothing anywhere; people make projects, tokens and so on.
    if matches!(caller.name, "pull-robot" | "pull-token") {
        assert!(!done || !route.changes(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_api_asks_every_caller_for_its_permission() {
    let mut samples = Samples::new().await;
    let callers = callers(&samples).await;
    let mut text = String::from("# Statuses, one column for each caller:\n");
    for (at, caller) in callers.iter().enumerate() {
        writeln!(text, "# {:2} {}", at + 1, caller.name).unwrap();
    }
    let numbers: Vec<String> = (1..=callers.len()).map(|at| format!("{at:3}")).collect();
    let words = "# Behind a route: codes of errors that are not the usual ones of their status.";
    writeln!(text, "{words}\n#\n#{}", numbers.join(" ")).unwrap();
    for route in routes(&samples.server).await {
        let mut statuses = Vec::new();
        let mut codes = String::new();
        for (at, caller) in (1..).zip(&callers) {
            let path = samples.path(&route);
            let body = requests::body(&route, &path);
            let (status, code) = ask(&caller.person, &route, &path, &body).await;
            if code != usual_code(status) {
                write!(codes, " {at}:{code}").unwrap();
            }
            statuses.push(status);
            check(&route, caller, status, statuses[0]);
            if route.changes() && (200..300).contains(&status) {
                samples.restore(&route).await;
            }
        }
        let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
        let Route { method, path, access, .. } = &route;
        writeln!(text, " {}  {method} {path} ({access}){codes}", statuses.join(" ")).unwrap();
    }
    if std::env::var_os("ROADSTEAD_UPDATE").is_some() {
        std::fs::write(SNAPSHOT, &text).unwrap();
    }
    let expected = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let changed: Vec<String> = text
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line))
        .map(|line| format!("now {line}"))
        .chain(
            expected
                .lines()
                .filter(|line| !text.lines().any(|other| other == *line))
                .map(|line| format!("was {line}")),
        )
        .collect();
    assert!(changed.is_empty(), "who may do what has changed:\n{}", changed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_of_another_project_or_person_opens_anything() {
    let samples = Samples::new().await;
    let (ours, theirs) = (samples.ours(), samples.theirs().await);
    let mut tried = 0;
    for route in routes(&samples.server).await {
        let parameters = route.parameters();
        let projects = ["project_name_or_id", "project_name"];
        let below = parameters.iter().any(|name| projects.contains(name));
        let ids: Vec<&str> =
            parameters.iter().copied().filter(|name| !projects.contains(name)).collect();
        // Anybody may read the roles there are, and whether schedules are paused.
        let of_all = route.access == "login" && (ids == ["role_id"] || ids == ["job_type"]);
        if ids.is_empty() || of_all {
            continue;
        }
        let own_project = &ours.ids["project_name"];
        let their_project = &theirs.ids["project_name"];
        let mut paths = vec![theirs.path(&route, their_project)];
        if below {
            paths.push(ours.path(&route, their_project));
        }
        // A number means the same everywhere, a name only where it stands.
        if below
            && ids.iter().any(|name| {
                !["meta_name", "repository_name", "reference", "tag_name", "addition"]
                    .contains(name)
            })
        {
            paths.push(theirs.path(&route, own_project));
        }
        for path in paths {
            tried += 1;
            let body = requests::body(&route, &path);
            let (status, _) = ask(&ours.admin, &route, &path, &body).await;
            assert!(
                matches!(status, 403 | 404),
                "{} {path} is answered {status} to somebody else's administrator",
                route.method
            );
        }
    }
    assert!(tried > 30, "only {tried} paths have an id");
    samples.assert_all_there(&theirs).await;
}
