//! Robots under real clients: what a pipeline and a cluster log in with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use roadstead_tests::cast::in_project;
use roadstead_tests::clients::{Containerd, Content, Dockerd, Stage, random_files};
use roadstead_tests::content::sha256;
use roadstead_tests::http::with_query;
use serde_json::{Value, json};

/// What clients that ask with HEAD first make of a refusal.
const REFUSED: &[&str] = &["nauthorized"];

/// A robot's full name and secret.
struct Robot {
    name: String,
    secret: String,
}

impl Robot {
    /// What `auth` of a docker configuration holds.
    fn auth(&self) -> String {
        BASE64.encode(format!("{}:{}", self.name, self.secret))
    }
}

/// Makes a robot of the project `acme` that may do these things with repositories.
async fn robot(stage: &Stage, name: &str, actions: &[&str], pattern: &str) -> Robot {
    let access = |action: &&str| json!({"resource": "repository", "action": action});
    let access: Vec<Value> = actions.iter().map(access).collect();
    let permission = json!({"kind": "project", "namespace": "acme", "access": access,
        "repository_pattern": pattern});
    let body = json!({
        "name": name, "level": "project", "duration": 1, "permissions": [permission],
    });
    let (_, made) = stage.alice().make("/robots", &body).await;
    let text = |key: &str| made[key].as_str().expect("text").to_owned();
    let robot = Robot { name: text("name"), secret: text("secret") };
    assert_eq!(robot.name, format!("robot$acme+{name}"));
    robot
}

fn log_in(stage: &Stage, client: &str, robot: &Robot) {
    let (name, host) = (&robot.name, stage.host());
    let line = format!("{client} login --username {name} --password-stdin {host}");
    stage.feed(&line, robot.secret.as_bytes()).succeeded().says(&["Login Succeeded"]);
}

#[tokio::test]
async fn a_pipelines_robot_pushes_with_docker_where_it_may_and_nowhere_else() {
    let mut stage = Stage::new().await;
    let _daemon = Dockerd::start(&mut stage.bench);
    let ci = robot(&stage, "ci", &["push", "pull"], "web-*").await;
    let puller = robot(&stage, "puller", &["pull"], "").await;
    let mine = stage.at("acme/web-app:1");
    let directory = random_files(&stage.bench, &mut stage.rng, "files", 1);
    stage.bench.file("files/Dockerfile", b"FROM scratch\nCOPY file-0 /\n");
    stage.ok(format!("docker build --quiet -t {mine} {}", directory.display()));
    log_in(&stage, "docker", &ci);
    stage.ok(format!("docker push {mine}"));
    for elsewhere in ["acme/api:1", "other/web-app:1", "open/web-app:1"] {
        let target = stage.at(elsewhere);
        stage.ok(format!("docker tag {mine} {target}"));
        stage.refused(format!("docker push {target}"), REFUSED);
    }
    log_in(&stage, "docker", &puller);
    stage.ok(format!("docker pull {mine}"));
    let more = stage.at("acme/web-app:2");
    stage.bench.file("files/Dockerfile", b"FROM scratch\nCOPY file-0 /other\n");
    stage.ok(format!("docker build --quiet -t {more} {}", directory.display()));
    stage.refused(format!("docker push {more}"), REFUSED);
    assert_eq!(stage.tags("acme/web-app").await, ["1"]);
}

#[tokio::test]
async fn a_clusters_robot_pulls_with_ctr_and_neither_pushes_nor_deletes() {
    let mut stage = Stage::new().await;
    let _daemon = Containerd::start(&mut stage.bench);
    let (ci, puller) =
        (robot(&stage, "ci", &["push"], "").await, robot(&stage, "puller", &["pull"], "").await);
    let (layout, pushed) = stage.image("layout", "1");
    let target = stage.at("acme/app:1");
    let credentials = |robot: &Robot| format!("{}:{}", robot.name, robot.secret);
    let copy = format!("skopeo copy --dest-creds {} oci:{layout}:1", credentials(&ci));
    stage.ok(format!("{copy} docker://{target}"));
    let user = format!("--plain-http --user {}", credentials(&puller));
    stage.ok(format!("ctr images pull {user} {target}"));
    let held = Content::walk(pushed.digest(), |digest, _| {
        stage.ok(format!("ctr content get {digest}")).bytes().to_vec()
    });
    assert_eq!(held, pushed);
    // Elsewhere in the project, so that blobs are refused: containerd 1.6 may wait for ever when
    // only the manifest is.
    let other = stage.at("acme/new:1");
    stage.ok(format!("ctr images tag {target} {other}"));
    stage.refused(format!("ctr images push {user} {other}"), &["ctr:"]);
    assert!(!stage.has("acme/new", "1").await);
    let delete = format!("skopeo delete --creds {} docker://{target}", credentials(&puller));
    stage.refused(&delete, REFUSED);
    assert_eq!(stage.content("acme/app", "1").await, pushed);
}

#[tokio::test]
async fn a_pull_secret_of_kubernetes_serves_several_registries_from_one_file() {
    let mut stage = Stage::new().await;
    let ci = robot(&stage, "ci", &["push", "pull"], "").await;
    let puller = robot(&stage, "puller", &["pull"], "").await;
    let (layout, pushed) = stage.image("layout", "1");
    let target = stage.at("acme/app:1");
    // A secret of the type kubernetes.io/dockerconfigjson, as kubectl makes it.
    let config = |robot: &Robot, with_names: bool| {
        let mut ours = json!({"auth": robot.auth()});
        if with_names {
            ours["username"] = robot.name.clone().into();
            ours["password"] = robot.secret.clone().into();
        }
        let other = json!({"auth": BASE64.encode("somebody:else")});
        let auths = json!({"registry.example.com": other, "127.0.0.1:1": other,
            stage.host(): ours});
        serde_json::to_vec(&json!({"auths": auths})).expect("JSON")
    };
    let push = stage.bench.file("push.json", &config(&ci, true)).display().to_string();
    let pull = stage.bench.file("pull.json", &config(&puller, false)).display().to_string();
    stage.ok(format!("skopeo copy --authfile {push} oci:{layout}:1 docker://{target}"));
    let out = stage.bench.at("pulled");
    stage.ok(format!("skopeo copy --authfile {pull} docker://{target} oci:{out}:1"));
    assert_eq!(Content::of_layout(&out, "1"), pushed);
    let again = stage.at("acme/app:2");
    let refused = format!("skopeo copy --authfile {pull} oci:{layout}:1 docker://{again}");
    stage.refused(&refused, REFUSED);
    stage.refused(format!("skopeo delete --authfile {pull} docker://{target}"), REFUSED);

    stage.ok(format!("podman pull --authfile {pull} {target}"));
    stage.refused(format!("podman push --authfile {pull} {target} {again}"), REFUSED);
    stage.ok(format!("podman push --authfile {push} {target} {again}"));
    assert_eq!(stage.tags("acme/app").await, ["1", "2"]);
    // A robot that is disabled is out of the cluster at once.
    let robots = stage.alice().read("/robots?q=Level=project,ProjectID=2&page_size=10").await;
    let listed = robots.as_array().expect("a list").clone();
    let mut gone = listed.into_iter().find(|r| r["name"] == puller.name).expect("the robot");
    gone["disable"] = true.into();
    stage.alice().change("PUT", &format!("/robots/{}", gone["id"]), &gone).await;
    stage.refused(format!("podman pull --authfile {pull} {target}"), &["incorrect username"]);
}

#[tokio::test]
async fn one_token_for_several_repositories_is_what_builders_ask_for() {
    let stage = Stage::new().await;
    let ci = robot(&stage, "ci", &["push", "pull"], "").await;
    // As kaniko does for a base image, a cache and a destination.
    let scopes = ["acme/base:pull", "acme/cache:pull,push", "acme/app:push,pull", "open/x:pull"];
    let query: Vec<(&str, String)> = [("service", "harbor-registry".to_owned())]
        .into_iter()
        .chain(scopes.iter().map(|scope| ("scope", format!("repository:{scope}"))))
        .collect();
    let person = stage.server.person(&ci.name, &ci.secret);
    let answer = person.send("GET", "/service/token").query(&query).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    let granted = "repository:acme/base:pull repository:acme/cache:pull,push \
                   repository:acme/app:pull,push repository:open/x:pull";
    assert_eq!(body["scope"], granted);
    let token = body["token"].as_str().unwrap();
    for (repository, expected) in [("acme/cache", 202), ("acme/app", 202), ("acme/base", 401)] {
        let path = format!("/v2/{repository}/blobs/uploads/");
        assert_eq!(stage.server.with_token(token, "POST", &path).await, expected, "{repository}");
    }
}

#[tokio::test]
async fn one_file_has_another_robot_for_each_project_of_a_registry() {
    let mut stage = Stage::new().await;
    let ci = robot(&stage, "ci", &["push", "pull"], "").await;
    let reader = robot(&stage, "reader", &["pull"], "").await;
    let (layout, pushed) = stage.image("layout", "1");
    let host = stage.host();
    let entry = |robot: &Robot| json!({"auth": robot.auth()});
    let wrong = json!({"auth": BASE64.encode("somebody:else")});
    let file = |name: &str, here: &Value| {
        let auths = json!({"auths": {
            format!("{host}/acme"): here, format!("{host}/other"): wrong, host.clone(): wrong,
        }});
        stage.bench.file(name, auths.to_string().as_bytes()).display().to_string()
    };
    let (push, pull) = (file("push.json", &entry(&ci)), file("pull.json", &entry(&reader)));
    let target = stage.at("acme/app:1");
    let line = |authfile: &str| {
        format!("skopeo copy --authfile {authfile} oci:{layout}:1 docker://{target}")
    };
    stage.refused(line(&pull), REFUSED);
    stage.ok(line(&push));
    // Pushing does not include deleting.
    stage.refused(format!("skopeo delete --authfile {push} docker://{target}"), REFUSED);
    let out = stage.bench.at("out");
    stage.ok(format!("skopeo copy --authfile {pull} docker://{target} oci:{out}:1"));
    assert_eq!(Content::of_layout(&out, "1"), pushed);
    let elsewhere = stage.at("other/app:1");
    stage.refused(format!("podman pull --authfile {push} {elsewhere}"), &["incorrect username"]);
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
    let kaniko = stage.server.admin().robot_with("system", "kaniko", &permissions).await;
    let caller = stage.server.robot(&kaniko);
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
