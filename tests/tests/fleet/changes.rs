//! What is changed on one server is obeyed by the others within five seconds.

use std::time::{Duration, Instant};

use roadstead_tests::cast::Robot;
use roadstead_tests::content::{self, MANIFEST};
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use crate::fleet::Fleet;

/// How long a change may take to be obeyed.
const LIMIT: Duration = Duration::from_secs(5);
const PULL: &str = "/v2/team/app/manifests/1";
const API: &str = "/api/v2.0";
const DEVELOPER: i64 = 2;

/// A private project `team` with the image `team/app:1`, and bob who develops there.
async fn team() -> Fleet {
    let fleet = Fleet::start(3, &[]);
    let admin = &fleet.admins()[0];
    admin.create_project("team", false).await;
    admin.create_user("bob").await;
    admin.push_image("team/app", "1", b"layer").await;
    fleet
}

/// Asserts that every server but the first gives everybody this status soon, and prints how soon.
async fn assert_soon(
    what: &str,
    people: &[Person],
    expected: u16,
    ask: impl AsyncFn(&Person) -> u16,
) {
    let since = Instant::now();
    for person in &people[1..] {
        let mut status = ask(person).await;
        while status != expected {
            assert!(since.elapsed() < LIMIT, "{what}: still {status} instead of {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            status = ask(person).await;
        }
    }
    println!("{what}: obeyed everywhere after {:?}", since.elapsed());
}

async fn pull(person: &Person) -> u16 {
    person.get(PULL).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_taken_away_is_gone_everywhere() {
    let fleet = team().await;
    let bob = fleet.everywhere("bob", "Password-1");
    let admin = &fleet.admins()[0];
    let id = admin.add_member("team", "bob", DEVELOPER, "").await;
    assert_soon("a role given", &bob, 200, pull).await;
    let (token, _) = bob[1].registry_token("repository:team/app:pull").await;
    let bearers: Vec<Person> = fleet.servers.iter().map(|server| server.bearer(&token)).collect();
    assert_soon("a token", &bearers, 200, pull).await;
    let gone = admin.delete(&format!("{API}/projects/team/members/{id}")).await;
    assert_eq!(gone.status(), 200);
    let refused = |person: &Person| {
        let person = person.clone();
        async move { u16::from(!matches!(pull(&person).await, 401 | 403 | 404)) }
    };
    assert_soon("a role taken away", &bob, 0, async |person| refused(person).await).await;
    assert_soon("its tokens", &bearers, 0, async |person| refused(person).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_robot_is_out_everywhere() {
    let fleet = team().await;
    let admin = &fleet.admins()[0];
    let robot: Robot = admin.project_robot("team", "ci", "repository:pull").await;
    let robots: Vec<Person> = fleet.servers.iter().map(|server| server.robot(&robot)).collect();
    assert_soon("a robot", &robots, 200, pull).await;
    let path = format!("{API}/robots/{}", robot.id);
    let mut change: Value = admin.read_json(&path).await;
    change["disable"] = json!(true);
    assert_eq!(admin.json("PUT", &path, &change).await, 200);
    assert_soon("a robot disabled", &robots, 401, pull).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_the_only_one_everywhere() {
    let fleet = team().await;
    let bob = fleet.everywhere("bob", "Password-1");
    let login = async |person: &Person| person.get("/v2/").await.status().as_u16();
    assert_soon("a password", &bob, 200, login).await;
    let (token, _) = bob[1].registry_token("").await;
    let bearers: Vec<Person> = fleet.servers.iter().map(|server| server.bearer(&token)).collect();
    let id = bob[0].read_json(&format!("{API}/users/current")).await["user_id"].to_string();
    let body = json!({"old_password": "Password-1", "new_password": "Password-2"});
    assert_eq!(bob[0].json("PUT", &format!("{API}/users/{id}/password"), &body).await, 200);
    assert_soon("an old password", &bob, 401, login).await;
    assert_soon("its tokens", &bearers, 401, login).await;
    let bob = fleet.everywhere("bob", "Password-2");
    assert_soon("the new one", &bob, 200, login).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_became_immutable_is_so_everywhere() {
    let fleet = team().await;
    let selector =
        |decoration| json!([{"kind": "doublestar", "decoration": decoration, "pattern": "**"}]);
    let rule = json!({
        "action": "immutable", "template": "immutable_template", "disabled": false,
        "scope_selectors": {"repository": selector("repoMatches")},
        "tag_selectors": selector("matches"),
    });
    let other = content::image(b"{}", &[b"other"]).to_string();
    for admin in fleet.admins() {
        admin.push_blob("team/app", b"{}").await;
        admin.push_blob("team/app", b"other").await;
    }
    let path = format!("{API}/projects/team/immutabletagrules");
    assert_eq!(fleet.admins()[0].json("POST", &path, &rule).await, 201);
    let push = async |person: &Person| {
        person.put_manifest("team/app", "1", MANIFEST, other.clone()).await.status().as_u16()
    };
    assert_soon("an immutable tag", fleet.admins(), 412, push).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_is_everybodys() {
    let fleet = team().await;
    let uploads =
        async |person: &Person| person.status_of("POST", "/v2/team/app/blobs/uploads/").await;
    assert_soon("writing", fleet.admins(), 202, uploads).await;
    let path = format!("{API}/configurations");
    for (read_only, refused) in [(true, true), (false, false)] {
        let body = json!({"read_only": read_only});
        assert_eq!(fleet.admins()[0].json("PUT", &path, &body).await, 200);
        let is_refused = async |person: &Person| u16::from(uploads(person).await != 202);
        assert_soon("read-only mode", fleet.admins(), u16::from(refused), is_refused).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_is_over_everywhere() {
    let fleet = team().await;
    let browser = fleet.servers[0].log_in("bob", "Password-1").await;
    let cookie = browser.cookie.clone();
    let tabs: Vec<Person> = fleet.servers.iter().map(|server| server.browser(&cookie)).collect();
    let who =
        async |person: &Person| person.get(&format!("{API}/users/current")).await.status().as_u16();
    assert_soon("a session", &tabs, 200, who).await;
    assert_eq!(browser.plain("GET", "/c/log_out").await.status(), 200);
    assert_soon("a session ended", &tabs, 401, who).await;
}
