//! Robots in real clients: their names have `$` and `+`, they push only where that was granted, and
//! their secrets come from files as Kubernetes has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_tests::cast::{Robot, in_project};
use roadstead_tests::clients::{Containerd, Content, Dockerd, Stage};
use roadstead_tests::content::sha256;
use roadstead_tests::http::with_query;
use serde_json::{Value, json};

use crate::NO_RIGHTS_TO_HEAD;

/// Two robots of the project `acme`: one that pushes, which includes pulling, and one that pulls.
async fn robots(stage: &Stage) -> (Robot, Robot) {
    let alice = stage.alice();
    let writer = alice.project_robot("acme", "ci", "repository:push").await;
    let reader = alice.project_robot("acme", "cluster", "repository:pull").await;
    assert_eq!(
        (writer.name.as_str(), reader.name.as_str()),
        ("robot$acme+ci", "robot$acme+cluster")
    );
    (writer, reader)
}

fn log_in(stage: &Stage, client: &str, robot: &Robot) {
    let (name, host) = (&robot.name, stage.host());
    let line = format!("{client} login --username {name} --password-stdin {host}");
    stage.feed(&line, robot.secret.as_bytes()).succeeded().says(&["Login Succeeded"]);
    // Some show our words, some have their own.
    stage.feed(&line, b"not-its-secret").failed_with(&["username", "password"]);
}

#[tokio::test]
async fn docker_works_as_a_robot_where_it_was_granted_and_nowhere_else() {
    let mut stage = Stage::new().await;
    let _daemon = Dockerd::start(&mut stage.bench);
    let (writer, reader) = robots(&stage).await;
    let (granted, other) = (stage.at("acme/app:1"), stage.at("other/app:1"));
    stage.bench.file("files/Dockerfile", b"FROM scratch\nCOPY Dockerfile /\n");
    let directory = stage.bench.at("files");
    stage.ok(format!("docker build --quiet -t {granted} -t {other} {directory}"));
    log_in(&stage, "docker", &writer);
    stage.ok(format!("docker push {granted}"));
    stage
        .refused(format!("docker push {other}"), &["unauthorized to access repository: other/app"]);
    log_in(&stage, "docker", &reader);
    let again = stage.at("acme/app:2");
    stage.ok(format!("docker tag {granted} {again}"));
    stage.refused(format!("docker push {again}"), &["action: push"]);
    stage.ok("docker system prune --all --force");
    stage.ok(format!("docker pull {granted}"));
    stage
        .refused(format!("docker pull {other}"), &["unauthorized to access repository: other/app"]);
    assert_eq!(stage.tags("acme/app").await, ["1"]);
}

#[tokio::test]
async fn podman_and_skopeo_work_as_a_robot_where_it_was_granted_and_nowhere_else() {
    let mut stage = Stage::new().await;
    let (writer, reader) = robots(&stage).await;
    let (layout, pushed) = stage.image("layout", "1");
    let (granted, other) = (stage.at("acme/app:1"), stage.at("other/app:1"));
    stage.alice().push_image("other/app", "1", b"a layer").await;
    for client in ["skopeo", "podman"] {
        log_in(&stage, client, &writer);
        stage.ok(format!("skopeo copy oci:{layout}:1 docker://{granted}"));
        let elsewhere = format!("skopeo copy oci:{layout}:1 docker://{other}");
        stage.refused(&elsewhere, &["nauthorized", "other/app"]);
        log_in(&stage, client, &reader);
        let push = format!("skopeo copy oci:{layout}:1 docker://{}", stage.at("acme/app:2"));
        stage.refused(&push, NO_RIGHTS_TO_HEAD);
        // Pushing does not include deleting either.
        for robot in [&reader, &writer] {
            log_in(&stage, client, robot);
            let delete = format!("skopeo delete docker://{granted}");
            stage
                .refused(&delete, &["unauthorized to access repository: acme/app, action: delete"]);
        }
        stage.refused(format!("skopeo inspect docker://{other}"), &["other/app"]);
        stage.ok(format!("podman pull {granted}"));
        stage.ok("podman rmi --all --force");
        stage.ok(format!("{client} logout {}", stage.host()));
        assert!(stage.has("acme/app", "1").await && !stage.has("acme/app", "2").await);
    }
    assert_eq!(stage.content("acme/app", "1").await, pushed);
}

#[tokio::test]
async fn containerd_works_as_a_robot_where_it_was_granted_and_nowhere_else() {
    let mut stage = Stage::new().await;
    let _daemon = Containerd::start(&mut stage.bench);
    let (writer, reader) = robots(&stage).await;
    let source = stage.at("acme/app:1");
    let (layout, _) = stage.image("layout", "1");
    let from = format!("--dest-creds {}:{}", writer.name, writer.secret);
    stage.ok(format!("skopeo copy {from} oci:{layout}:1 docker://{source}"));
    let line = |verb: &str, robot: &Robot, reference: &str| {
        let user = format!("{}:{}", robot.name, robot.secret);
        format!("ctr images {verb} --plain-http --user {user} {reference}")
    };
    stage.ok(line("pull --all-platforms", &reader, &source));
    for (target, robot, granted) in [
        ("acme/copy:1", &writer, true),
        // Into a repository that lacks its blobs: where only the manifest is refused, this version
        // of containerd waits for ever.
        ("acme/new:1", &reader, false),
        ("other/app:1", &writer, false),
    ] {
        let target = stage.at(target);
        stage.ok(format!("ctr images tag {source} {target}"));
        let push = line("push", robot, &target);
        if granted {
            stage.ok(push);
        } else {
            stage.refused(&push, &["uthoriz"]);
        }
    }
    assert_eq!(stage.tags("acme/copy").await, ["1"]);
    assert!(stage.tags("acme/new").await.is_empty());
    let wrong = Robot { secret: "wrong".to_owned(), ..reader };
    stage.refused(line("pull", &wrong, &source), &["401 Unauthorized"]);
}

fn auth(robot: &Robot) -> String {
    STANDARD.encode(format!("{}:{}", robot.name, robot.secret))
}

#[tokio::test]
async fn secrets_of_kubernetes_work_as_files_of_skopeo_and_podman() {
    let mut stage = Stage::new().await;
    let (writer, reader) = robots(&stage).await;
    let (layout, pushed) = stage.image("layout", "1");
    let host = stage.host();
    let elsewhere = json!({"auth": STANDARD.encode("someone:else")});
    let nobody = json!({"auths": {"registry.example.com": elsewhere}});
    let encoded = json!({"auths": {
        "registry.example.com": elsewhere, "ghcr.example.com:5000": elsewhere,
        host.as_str(): {"auth": auth(&writer)},
    }});
    // `kubectl create secret docker-registry` writes all of these.
    let spelt = json!({"auths": {host.as_str(): {
        "username": reader.name, "password": reader.secret, "email": "x@example.com",
        "auth": auth(&reader),
    }, "registry.example.com": elsewhere}});
    // One file for several projects of the same registry.
    let (there, here) = (format!("{host}/other"), format!("{host}/acme"));
    let scoped = json!({"auths": {
        there: {"auth": auth(&writer)}, here: {"auth": auth(&reader)},
        host.as_str(): elsewhere,
    }});
    let file = |name: &str, content: &Value| {
        let path = stage.bench.file(name, content.to_string().as_bytes());
        path.display().to_string()
    };
    let encoded = file("encoded.json", &encoded);
    let (spelt, scoped) = (file("spelt.json", &spelt), file("scoped.json", &scoped));
    let nobody = file("nobody.json", &nobody);

    let target = stage.at("acme/app:1");
    let push = |authfile: &str| {
        format!("skopeo copy --authfile {authfile} oci:{layout}:1 docker://{target}")
    };
    stage.refused(push(&nobody), &["nauthorized"]);
    stage.refused(push(&spelt), NO_RIGHTS_TO_HEAD);
    stage.refused(push(&scoped), NO_RIGHTS_TO_HEAD);
    stage.ok(push(&encoded));
    assert_eq!(stage.content("acme/app", "1").await, pushed);
    for (name, authfile) in [("a", &encoded), ("b", &spelt), ("c", &scoped)] {
        let copy = stage.bench.at(name);
        stage.ok(format!("skopeo copy --authfile {authfile} docker://{target} oci:{copy}:1"));
        assert_eq!(Content::of_layout(&copy, "1"), pushed);
        stage.ok(format!("podman pull --authfile {authfile} {target}"));
        stage.ok("podman rmi --all --force");
    }
    stage.refused(format!("podman pull --authfile {nobody} {target}"), &["nauthorized"]);
}

#[tokio::test]
async fn kaniko_asks_once_for_its_target_and_all_its_sources_and_gets_what_it_may() {
    let stage = Stage::new().await;
    let alice = stage.alice();
    let layer = b"a layer of the base image";
    alice.push_image("other/base", "1", layer).await;
    alice.push_image("acme/cache", "1", b"a cached layer").await;
    let permissions = [
        in_project("acme", "repository:push repository:pull"),
        in_project("other", "repository:pull"),
    ];
    let robot = stage.server.admin().robot_with("system", "kaniko", &permissions).await;
    let caller = stage.server.robot(&robot);
    // Pushing comes first in its scopes, and one source is nowhere, or not for it.
    let scopes = [
        "repository:acme/app:push,pull",
        "repository:other/base:pull",
        "repository:acme/cache:pull",
        "repository:open/app:push,pull",
        "repository:nothing/base:pull",
    ];
    let query: Vec<(&str, &str)> = scopes.iter().map(|scope| ("scope", *scope)).collect();
    let request = caller.send("GET", "/service/token?service=harbor-registry").query(&query);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let granted = "repository:acme/app:pull,push repository:other/base:pull \
                   repository:acme/cache:pull repository:open/app:pull repository:nothing/base:";
    assert_eq!(answer["scope"], granted);
    let holder = stage.server.bearer(answer["token"].as_str().expect("a token"));

    // It looks whether it may push by opening an upload, before it builds.
    let location = holder.start_upload("acme/app").await;
    assert_eq!(holder.status_of("DELETE", &location).await, 204);
    for repository in ["open/app", "nothing/base", "acme/elsewhere"] {
        let path = format!("/v2/{repository}/blobs/uploads/");
        assert_eq!(holder.status_of("POST", &path).await, 401, "{repository}");
    }
    let mount = |from: &str, bytes: &[u8]| {
        format!("/v2/acme/app/blobs/uploads/?mount={}&from={from}&origin=127.0.0.1", sha256(bytes))
    };
    assert_eq!(holder.status_of("POST", &mount("other/base", layer)).await, 201);
    assert_eq!(holder.status_of("POST", &mount("acme/cache", b"a cached layer")).await, 201);
    // A source that gives nothing is no reason to fail.
    let answer = holder.send("POST", &mount("nothing/base", b"new")).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let finish = with_query(&location, &format!("digest={}", sha256(b"new")));
    let put = holder.send("PUT", &finish).body(&b"new"[..]).send().await.unwrap();
    assert_eq!(put.status(), 201);
}
