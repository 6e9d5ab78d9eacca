//! Robots: their secrets, and what they may make of themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use roadstead_tests::cast::{PASSWORD, Robot, access, in_project, on_system};
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use crate::Tenants;

/// Uses a secret until told to stop; says when the last use that worked began.
fn in_use(person: &Person, path: &'static str, stop: &Arc<AtomicBool>) -> Use {
    let (person, stop) = (person.clone(), stop.clone());
    tokio::spawn(async move {
        let mut last = None;
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            if person.status_of("GET", path).await == 200 {
                last = Some(began);
            }
        }
        last
    })
}

type Use = tokio::task::JoinHandle<Option<Instant>>;

/// Does something to a credential that is in use, and requires that it works no more from then on.
async fn ends(person: &Person, held: &Person, change: impl AsyncFnOnce()) {
    let stop = Arc::new(AtomicBool::new(false));
    let uses = [
        in_use(person, "/v2/hers/app/manifests/v1", &stop),
        in_use(person, "/service/token?service=harbor-registry", &stop),
        in_use(held, "/v2/hers/app/manifests/v1", &stop),
    ];
    tokio::time::sleep(Duration::from_millis(300)).await;
    change().await;
    let changed = Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    for used in uses {
        let last = used.await.unwrap().expect("it worked before");
        assert!(last < changed, "it worked {:?} later", last - changed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_exchanged_or_taken_back_is_of_no_use_from_that_moment_on() {
    let tenants = Tenants::new().await;
    let alice = &tenants.alice;
    let scope = "repository:hers/app:pull";
    let make = async |name: &str| {
        let robot = alice.project_robot("hers", name, "repository:pull").await;
        let person = tenants.server.robot(&robot);
        let held = tenants.server.bearer(&person.registry_token(scope).await.0);
        (format!("/api/v2.0/robots/{}", robot.id), person, held)
    };
    let (path, person, held) = make("exchanged").await;
    ends(&person, &held, async || {
        assert_eq!(alice.json("PATCH", &path, &json!({"secret": "Chosen-secret-1"})).await, 200);
    })
    .await;
    let (path, person, held) = make("deleted").await;
    ends(&person, &held, async || {
        assert_eq!(alice.status_of("DELETE", &path).await, 200);
    })
    .await;
    let (path, person, held) = make("two").await;
    let secrets = format!("{path}/secrets");
    let first = alice.read_json(&secrets).await[0]["id"].clone();
    assert_eq!(alice.json("POST", &secrets, &json!({})).await, 201);
    ends(&person, &held, async || {
        assert_eq!(alice.status_of("DELETE", &format!("{secrets}/{first}")).await, 200);
    })
    .await;
    let pull = in_project("hers", "repository:pull");
    let (id, secret) = alice.personal_token("t", &[pull]).await;
    let person = tenants.server.person("alice", &secret);
    let held = tenants.server.bearer(&person.registry_token(scope).await.0);
    ends(&person, &held, async || {
        let path = format!("/api/v2.0/users/current/tokens/{id}");
        assert_eq!(alice.status_of("DELETE", &path).await, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_is_not_kept_out_by_who_guesses_its_secret() {
    let tenants = Tenants::new().await;
    let robot = tenants.alice.project_robot("hers", "ci", "repository:pull").await;
    let caller = tenants.server.robot(&robot);
    for round in 0..40 {
        let guess = Robot { secret: format!("Guess-{round}"), ..robot.clone() };
        assert_eq!(tenants.server.robot(&guess).status_of("GET", "/v2/").await, 401);
        let guess = tenants.server.person("hers+ci", "Guess-1").status_of("GET", "/v2/").await;
        assert!(matches!(guess, 401 | 429), "{guess}");
    }
    assert_eq!(caller.status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
    assert_eq!(tenants.alice.status_of("GET", "/v2/").await, 200);
}

/// The body that makes a robot.
fn robot(name: &str, level: &str, permissions: &[Value]) -> Value {
    json!({"name": name, "level": level, "duration": -1, "permissions": permissions})
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_robot_or_a_member_that_may_do_more() {
    let tenants = Tenants::new().await;
    let (server, alice) = (&tenants.server, &tenants.alice);
    let words = "project:read repository:pull robot:create robot:read robot:list";
    let maker = server.robot(&alice.project_robot("hers", "maker", words).await);
    let post = async |who: &Person, body: Value| who.json("POST", "/api/v2.0/robots", &body).await;
    let same = robot("same", "project", &[in_project("hers", "repository:pull")]);
    assert_eq!(post(&maker, same).await, 201);
    for (name, level, permissions) in [
        ("a", "project", vec![in_project("hers", "repository:pull repository:push")]),
        ("b", "project", vec![in_project("hers", "repository:push")]),
        ("c", "project", vec![in_project("hers", "member:create")]),
        ("d", "project", vec![in_project("his", "repository:pull")]),
        ("e", "system", vec![in_project("hers", "repository:pull")]),
        ("f", "system", vec![in_project("*", "repository:pull")]),
        ("g", "system", vec![on_system("user:list")]),
        ("h", "project", vec![in_project("*", "repository:pull")]),
    ] {
        let status = post(&maker, robot(name, level, &permissions)).await;
        assert!(matches!(status, 400 | 403), "{name}: {status}");
    }
    // A developer has no robots to make, and a project's administrator none of the system.
    let admin = server.admin();
    admin.create_user("dave").await;
    alice.add_member("hers", "dave", 2, "").await;
    let dave = server.person("dave", PASSWORD);
    let pull = [in_project("hers", "repository:pull")];
    assert_eq!(post(&dave, robot("i", "project", &pull)).await, 403);
    assert_eq!(post(alice, robot("j", "system", &pull)).await, 403);
    assert_eq!(
        post(alice, robot("k", "project", &[in_project("his", "repository:pull")])).await,
        403
    );
    // Nor does anybody make themselves more.
    let members = "/api/v2.0/projects/hers/members";
    let id = dave.user_id().await;
    let body = json!({"role_id": 1, "member_user": {"user_id": id}});
    assert_eq!(dave.json("POST", members, &body).await, 403);
    let flag = json!({"sysadmin_flag": true});
    for (who, id) in [(&dave, id), (alice, alice.user_id().await), (&maker, id)] {
        let path = format!("/api/v2.0/users/{id}/sysadmin");
        assert_eq!(who.json("PUT", &path, &flag).await, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_token_changes_no_account_and_makes_no_stronger_one() {
    let tenants = Tenants::new().await;
    let server = &tenants.server;
    let admin = server.admin();
    let words = "user:list user:read user:create user:update user:delete";
    let (_, secret) = admin.personal_token("t", &[on_system(words)]).await;
    let token = server.person("admin", &secret);
    assert_eq!(token.status_of("GET", "/api/v2.0/users").await, 200);
    let own = admin.user_id().await;
    let change =
        json!({"old_password": roadstead_tests::ADMIN_PASSWORD, "new_password": "Password-9"});
    for (method, path, body) in [
        (
            "POST",
            "/api/v2.0/users/current/tokens".to_owned(),
            json!({"name": "u", "permissions":
            [{"kind": "system", "namespace": "/", "access": access("user:list")}]}),
        ),
        ("GET", "/api/v2.0/users/current/tokens".to_owned(), json!({})),
        ("PUT", format!("/api/v2.0/users/{own}/password"), change),
        ("GET", "/api/v2.0/configurations".to_owned(), json!({})),
        ("POST", "/api/v2.0/projects".to_owned(), json!({"project_name": "x"})),
    ] {
        let status = token.json(method, &path, &body).await;
        assert!(matches!(status, 403 | 400), "{method} {path}: {status}");
    }
    assert_eq!(admin.status_of("GET", "/v2/").await, 200, "the password is what it was");
    assert_eq!(token.status_of("GET", "/v2/hers/app/manifests/v1").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_manages_accounts_does_not_become_an_administrator() {
    let tenants = Tenants::new().await;
    let (server, admin) = (&tenants.server, tenants.server.admin());
    let words = "user:list user:read user:create user:update user:delete";
    let manager = server.robot(&admin.robot_with("system", "manager", &[on_system(words)]).await);
    let own = admin.user_id().await;
    let users = "/api/v2.0/users";
    assert_eq!(manager.status_of("GET", users).await, 200);
    manager.create_user("made").await;
    let made = server.person("made", PASSWORD).user_id().await;
    let password = json!({"new_password": "Password-9"});
    for (path, body) in [
        (format!("{users}/{own}/password"), &password),
        (format!("{users}/{made}/sysadmin"), &json!({"sysadmin_flag": true})),
        (format!("{users}/{own}/disabled"), &json!({"disabled": true})),
        (format!("{users}/{own}"), &json!({"email": "x@example.com", "realname": "x"})),
    ] {
        assert_eq!(manager.json("PUT", &path, body).await, 403, "{path}");
    }
    for path in [format!("{users}/{own}"), format!("{users}/{own}/sessions")] {
        assert_eq!(manager.status_of("DELETE", &path).await, 403, "{path}");
    }
    assert_eq!(server.person("made", PASSWORD).status_of("GET", users).await, 403);
    assert_eq!(admin.status_of("GET", users).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_accounts_gives_no_administrator_of_a_provider_another_secret() {
    let tenants = Tenants::new().await;
    let (server, admin) = (&tenants.server, tenants.server.admin());
    let words = "user:list user:read user:update";
    let manager = server.robot(&admin.robot_with("system", "manager", &[on_system(words)]).await);
    let (_, token) = admin.personal_token("t", &[on_system(words)]).await;
    let token = server.person("admin", &token);
    let alice = tenants.alice.user_id().await;
    crate::become_people_of_a_provider(server).await;
    server
        .sql(
            "UPDATE user_account SET sysadmin = TRUE WHERE source = 'oidc' AND email LIKE 'alice%'",
        )
        .await;
    let path = format!("/api/v2.0/users/{alice}/cli_secret");
    let body = json!({"secret": "Chosen-secret-1"});
    for who in [&manager, &token] {
        assert_eq!(who.json("PUT", &path, &body).await, 403);
    }
    assert_eq!(admin.json("PUT", &path, &body).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_always_left() {
    let tenants = Tenants::new().await;
    let (alice, admin) = (&tenants.alice, tenants.server.admin());
    let (first, second) = (admin.user_id().await, alice.user_id().await);
    let users = "/api/v2.0/users";
    let set = async |who: &Person, id: i64, flag: bool| {
        let body = json!({"sysadmin_flag": flag});
        who.json("PUT", &format!("{users}/{id}/sysadmin"), &body).await
    };
    let (mut demoted, mut refused) = (0, 0);
    for round in 0..10 {
        for (who, other) in [(&admin, second), (alice, first)] {
            if who.status_of("GET", users).await == 200 {
                assert_eq!(set(who, other, true).await, 200, "round {round}");
            }
        }
        let (one, other, own) = tokio::join!(
            set(alice, first, false),
            set(&admin, second, false),
            set(&admin, first, false),
        );
        for status in [one, other, own] {
            assert!(matches!(status, 200 | 403 | 409 | 412), "round {round}: {status}");
            demoted += usize::from(status == 200);
            refused += usize::from(status != 200);
        }
        let left = [admin.status_of("GET", users).await, alice.status_of("GET", users).await];
        assert!(left.contains(&200), "round {round}: nobody is left");
    }
    assert!(demoted >= 10 && refused >= 10, "{demoted} demoted, {refused} refused");
}
