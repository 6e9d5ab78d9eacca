//! Credentials of what was deleted, tried on what was made again under its name.

use roadstead_tests::cast::{PASSWORD, in_project};
use roadstead_tests::content::sha256;
use roadstead_tests::http::Person;
use serde_json::json;

use crate::Tenants;

const EVERYTHING: &str = "repository:hers/app:pull,push,delete";
const LAYER: &[u8] = b"a layer of hers";

/// The holder of an old token can neither read, write, delete nor mount what is at `hers/app`.
async fn assert_worthless(holder: &Person, when: &str) {
    let blob = format!("/v2/hers/app/blobs/{}", sha256(LAYER));
    for (method, path) in [
        ("GET", "/v2/hers/app/manifests/v1"),
        ("HEAD", "/v2/hers/app/manifests/v1"),
        ("GET", "/v2/hers/app/tags/list"),
        ("GET", blob.as_str()),
        ("POST", "/v2/hers/app/blobs/uploads/"),
        ("PUT", "/v2/hers/app/manifests/v1"),
        ("DELETE", "/v2/hers/app/manifests/v1"),
        ("DELETE", blob.as_str()),
    ] {
        assert_eq!(holder.status_of(method, path).await, 401, "{method} {path} {when}");
    }
}

/// A token for `hers/app` and for another repository that it can be mounted into.
async fn token_of(tenants: &Tenants, person: &Person) -> Person {
    let scopes = format!("{EVERYTHING} repository:target/app:pull,push");
    let holder = tenants.server.bearer(&person.registry_token(&scopes).await.0);
    assert_eq!(holder.status_of("GET", "/v2/hers/app/manifests/v1").await, 200);
    holder
}

fn mount() -> String {
    format!("/v2/target/app/blobs/uploads/?mount={}&from=hers/app", sha256(LAYER))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worthless_on_a_repository_that_was_made_again() {
    let tenants = Tenants::new().await;
    let alice = &tenants.alice;
    alice.create_project("target", false).await;
    let holder = token_of(&tenants, alice).await;
    assert_eq!(holder.status_of("POST", &mount()).await, 201);
    let path = "/api/v2.0/projects/hers/repositories/app";
    assert_eq!(alice.status_of("DELETE", path).await, 200);
    assert_worthless(&holder, "while there is none").await;
    alice.push_image("hers/app", "v1", LAYER).await;
    assert_worthless(&holder, "afterwards").await;
    assert_eq!(holder.status_of("POST", &mount()).await, 401, "as the source of a mount");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worthless_in_a_project_that_was_made_again() {
    let tenants = Tenants::new().await;
    let (alice, mallory) = (&tenants.alice, &tenants.mallory);
    alice.create_project("target", false).await;
    let holder = token_of(&tenants, alice).await;
    // One for a repository that is not there yet, which would fit any that comes.
    let early = alice.registry_token("repository:hers/later:pull,push").await.0;
    let robot = alice.project_robot("hers", "ci", "repository:pull repository:push").await;
    let (_, personal) =
        alice.personal_token("t", &[in_project("hers", "repository:pull repository:push")]).await;
    assert_eq!(alice.status_of("DELETE", "/api/v2.0/projects/hers/repositories/app").await, 200);
    assert_eq!(alice.status_of("DELETE", "/api/v2.0/projects/hers").await, 200);
    assert_worthless(&holder, "while there is none").await;
    mallory.create_project("hers", false).await;
    for repository in ["hers/app", "hers/later"] {
        mallory.push_image(repository, "v1", LAYER).await;
    }
    assert_worthless(&holder, "afterwards").await;
    // The repository is not hers, so nothing is mounted, and she may upload.
    assert_eq!(holder.status_of("POST", &mount()).await, 202, "as the source of a mount");
    let early = tenants.server.bearer(&early);
    assert_eq!(early.status_of("GET", "/v2/hers/later/manifests/v1").await, 401);
    assert_eq!(early.status_of("POST", "/v2/hers/later/blobs/uploads/").await, 401);
    // Nor do members, robots and personal tokens of the one that is gone come back with its name.
    assert_eq!(tenants.server.robot(&robot).status_of("GET", "/v2/").await, 401);
    for person in [alice, &tenants.server.person("alice", &personal)] {
        assert_eq!(person.status_of("GET", "/v2/hers/app/manifests/v1").await, 401);
    }
    let again = mallory.project_robot("hers", "ci", "repository:pull").await;
    assert_ne!(again.id, robot.id);
    assert_eq!(tenants.server.robot(&robot).status_of("GET", "/v2/").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_works_for_another_who_gets_the_name() {
    let tenants = Tenants::new().await;
    let (server, admin) = (&tenants.server, tenants.server.admin());
    // The project is the administrator's, so that it stays.
    admin.create_project("target", false).await;
    admin.add_member("target", "alice", 2, "").await;
    let holder = token_of(&tenants, &tenants.alice).await;
    let session = server.browser(&server.log_in("alice", PASSWORD).await.cookie);
    let (_, personal) =
        tenants.alice.personal_token("t", &[in_project("hers", "repository:pull")]).await;
    let query = "/service/token?service=harbor-registry&offline_token=true&client_id=x";
    let refresh = tenants.alice.read_json(query).await["refresh_token"].clone();
    let old = tenants.alice.user_id().await;
    assert_eq!(admin.status_of("DELETE", &format!("/api/v2.0/users/{old}")).await, 200);
    assert_worthless(&holder, "after she has gone").await;

    admin.create_user("alice").await;
    let new = server.person("alice", PASSWORD).user_id().await;
    assert_ne!(new, old, "ids are not given twice");
    assert_worthless(&holder, "when there is another alice").await;
    assert_eq!(session.status_of("GET", "/api/v2.0/users/current").await, 401);
    let through = server.person("alice", &personal);
    assert_eq!(through.status_of("GET", "/v2/").await, 401);
    let form = [
        ("grant_type", "refresh_token"),
        ("service", "harbor-registry"),
        ("refresh_token", refresh.as_str().expect("a refresh token")),
    ];
    let answer = server.nobody().send("POST", "/service/token").form(&form).send().await;
    assert_eq!(answer.unwrap().status(), 401);
    // And she has none of the other's roles.
    let caller = server.person("alice", PASSWORD);
    for project in ["hers", "target"] {
        let path = format!("/api/v2.0/projects/{project}");
        assert_eq!(caller.status_of("GET", &path).await, 403, "{project}");
        let body = json!({"project_name": project});
        assert_eq!(caller.json("POST", "/api/v2.0/projects", &body).await, 409, "{project}");
    }
}
