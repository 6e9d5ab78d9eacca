//! Guessing passwords, and asking who has an account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use reqwest::Response;
use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup, content};
use serde_json::json;

use crate::{Tenants, become_people_of_a_provider, median};

/// Whether what takes many logins to measure is left out.
pub(crate) fn quick() -> bool {
    std::env::var_os("ROADSTEAD_TEST_QUICK").is_some()
}

/// The doors that take a password.
const DOORS: usize = 5;

/// Tries a password at one of the doors.
async fn knock(server: &Server, door: usize, name: &str, password: &str) -> Response {
    let (nobody, person) = (server.nobody(), server.person(name, password));
    at_door(&nobody, &person, door, name, password).await
}

async fn at_door(
    nobody: &Person,
    person: &Person,
    door: usize,
    name: &str,
    password: &str,
) -> Response {
    let oauth = [("grant_type", "password"), ("username", name), ("password", password)];
    let login = [("principal", name), ("password", password)];
    let request = match door {
        0 => person.send("GET", "/v2/"),
        1 => person.send("GET", "/service/token?service=harbor-registry"),
        2 => person.send("GET", "/api/v2.0/users/current"),
        3 => nobody.send("POST", "/service/token").form(&oauth),
        _ => nobody.send("POST", "/c/login").form(&login),
    };
    request.send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_guesses_ten_are_evaluated_and_nobody_is_locked_out() {
    let tenants = Tenants::new().await;
    let server = &tenants.server;
    server.admin().create_user("bob").await;
    let (token, _) = tenants.alice.registry_token("repository:hers/app:pull").await;
    let holder = server.bearer(&token);
    let login = knock(server, 4, "alice", PASSWORD).await;
    let browser = server.browser(header(&login, "set-cookie").split(';').next().unwrap());

    let since = Instant::now();
    let (mut evaluated, mut slowed) = (0, 0);
    for round in 0..50 {
        let guesses = (0..20).map(|at| {
            let password = format!("Guess-{round}-{at}");
            async move { knock(server, at % DOORS, "alice", &password).await }
        });
        for answer in futures_util::future::join_all(guesses).await {
            match answer.status().as_u16() {
                401 => evaluated += 1,
                429 => {
                    let wait: u64 = header(&answer, "retry-after").parse().unwrap();
                    assert!((1..=60).contains(&wait), "{wait}");
                    slowed += 1;
                }
                other => panic!("a guess was answered {other}"),
            }
        }
        // Whoever has logged in within the hour, and whatever was issued, goes on.
        if round % 10 == 0 {
            for door in 0..DOORS {
                let answer = knock(server, door, "alice", PASSWORD).await;
                assert_eq!(answer.status(), 200, "door {door}");
            }
            assert_eq!(holder.status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
            assert_eq!(browser.status_of("GET", "/api/v2.0/users/current").await, 200);
        }
    }
    // Ten at once, and one more for every six seconds that this takes.
    let most = 10 + 1 + since.elapsed().as_secs() / 6;
    assert!(evaluated <= most && evaluated >= 10, "{evaluated} of 1000 were evaluated");
    assert_eq!(evaluated + slowed, 1000);
    assert_eq!(knock(server, 0, "bob", PASSWORD).await.status(), 200, "another account");

    let refused = "SELECT COUNT(*) FROM audit_log WHERE resource = 'alice'
                     AND operation = 'login' AND NOT success AND resource_type = 'user'";
    let rows = server.database().await.number(refused).await;
    assert_eq!(u64::try_from(rows).unwrap(), evaluated, "rows in the audit log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_of_no_use_from_that_moment_on() {
    let tenants = Tenants::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let users = (0..6).map(|at| {
        let (person, stop) = (tenants.server.person("alice", PASSWORD), stop.clone());
        tokio::spawn(async move {
            let path = ["/v2/hers/app/manifests/v1", "/service/token"][at % 2];
            let mut last = None;
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                if person.status_of("GET", path).await == 200 {
                    last = Some(began);
                }
            }
            last
        })
    });
    let users: Vec<_> = users.collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let path = format!("/api/v2.0/users/{}/password", tenants.alice.user_id().await);
    let change = json!({"old_password": PASSWORD, "new_password": "Password-2"});
    assert_eq!(tenants.alice.json("PUT", &path, &change).await, 200);
    let changed = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    for user in users {
        let last = user.await.unwrap().expect("it worked before");
        assert!(last < changed, "the old password worked {:?} later", last - changed);
    }
}

/// Everything that an answer says, but for what is different in each.
async fn said(answer: Response) -> String {
    let status = answer.status();
    let headers: BTreeMap<String, String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    format!("{status} {headers:?} {}", answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_says_the_same_whether_there_is_such_an_account() {
    let tenants = Tenants::new().await;
    let server = &tenants.server;
    for door in 0..DOORS {
        let unknown = said(knock(server, door, "nobody-at-all", "Password-2").await).await;
        for (name, password) in [
            ("alice", "Password-2"),
            ("alice@example.com", "Password-2"),
            ("nobody@example.com", "Password-2"),
            ("alice", "rspat_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("nobody-at-all", "rspat_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("robot$hers+ci", "Password-2"),
            ("robot$", "Password-2"),
        ] {
            let known = said(knock(server, door, name, password).await).await;
            assert_eq!(known, unknown, "door {door}: {name}");
        }
    }
}

/// The times that wrong passwords take, in milliseconds: of names that exist and of some that do
/// not, in random order.
async fn timed(server: &Server, known: &[String]) -> (Vec<f64>, Vec<f64>) {
    let mut rng = content::rng();
    let mut tries = Vec::new();
    for name in known {
        for _ in 0..9 {
            tries.push((true, name.clone()));
            tries.push((false, format!("no-{name}")));
        }
    }
    tries.shuffle(&mut rng);
    let networks: Vec<Person> = (1..=4).map(|n| server.nobody().from([127, n, 1, 1])).collect();
    let mut times = (Vec::new(), Vec::new());
    for (at, (exists, name)) in tries.iter().enumerate() {
        let person = networks[at % networks.len()].clone().known_as(name, "Wrong-1");
        let began = Instant::now();
        let status = person.status_of("GET", "/v2/").await;
        let took = began.elapsed().as_secs_f64() * 1e3;
        assert_eq!(status, 401, "{name}");
        if *exists { times.0.push(took) } else { times.1.push(took) }
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_takes_as_long_whether_there_is_such_an_account() {
    if quick() {
        return;
    }
    for at_a_provider in [false, true] {
        assert_as_long(at_a_provider).await;
    }
}

/// Noise of a busy machine passes; a difference stays.
async fn assert_as_long(at_a_provider: bool) {
    let mut heard = Vec::new();
    for _ in 0..3 {
        let server = Setup::new().start();
        let admin = server.admin();
        let known: Vec<String> = (0..23).map(|n| format!("person-{n}")).collect();
        let mut ids = Vec::new();
        for name in &known {
            admin.create_user(name).await;
            ids.push(server.person(name, PASSWORD).user_id().await);
        }
        if at_a_provider {
            become_people_of_a_provider(&server).await;
            for id in ids {
                let path = format!("/api/v2.0/users/{id}/cli_secret");
                assert_eq!(admin.json("PUT", &path, &json!({"secret": PASSWORD})).await, 200);
            }
        }
        let (existing, missing) = timed(&server, &known).await;
        let (existing, missing) = (median(existing), median(missing));
        heard.push(format!("{existing:.2} ms and {missing:.2} ms"));
        if (existing - missing).abs() < 0.05 * missing {
            return;
        }
    }
    panic!("medians of known and of unknown names (at a provider: {at_a_provider}): {heard:?}");
}
