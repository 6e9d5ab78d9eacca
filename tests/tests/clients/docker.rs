//! docker and dockerd.

use std::fs;
use std::path::Path;

use roadstead_tests::clients::{Dockerd, PASSWORD, Stage, random_files};

use crate::{NO_RIGHTS, WRONG_PASSWORD};

/// Makes an image of three layers, of these files, and returns its id, which is its config's digest.
fn build(stage: &mut Stage, name: &str, files: &str) -> String {
    let directory = random_files(&stage.bench, &mut stage.rng, files, 3);
    let steps = "FROM scratch\nCOPY file-0 /\nCOPY file-1 /\nCOPY file-2 /sub/\n";
    stage.bench.file(&format!("{files}/Dockerfile"), steps.as_bytes());
    let built = stage.ok(format!("docker build --quiet -t {name} {}", directory.display()));
    built.text().lines().last().expect("an id").to_owned()
}

/// Asserts that the files of an image are the ones it was built from.
#[track_caller]
fn assert_files(stage: &Stage, image: &str, files: &Path) {
    let container = stage.ok(format!("docker create {image} /none")).text();
    let target = stage.bench.path(&format!("out-{container}"));
    fs::create_dir(&target).expect("a directory");
    let archive = stage.bench.at("container.tar");
    stage.ok(format!("docker export --output {archive} {container}"));
    stage.ok(format!("tar --extract --file {archive} --directory {}", target.display()));
    stage.ok(format!("docker rm {container}"));
    for (path, source) in [("file-0", "file-0"), ("file-1", "file-1"), ("sub/file-2", "file-2")] {
        let (pulled, pushed) = (fs::read(target.join(path)), fs::read(files.join(source)));
        assert!(pulled.expect("a file") == pushed.expect("a file"), "{path} of {image} differs");
    }
}

fn log_in(stage: &Stage, user: &str) {
    let line = format!("docker login --username {user} --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded().says(&["Login Succeeded"]);
}

#[tokio::test]
async fn docker_pushes_once_mounts_and_pulls_what_it_built() {
    let mut stage = Stage::new().await;
    let _daemon = Dockerd::start(&mut stage.bench);
    log_in(&stage, "alice");
    let (first, second) = (stage.at("acme/app:1"), stage.at("other/copy:1"));
    let id = build(&mut stage, &first, "files");
    stage.listen();
    stage.ok(format!("docker push {first}")).says(&["Pushed", "digest: sha256:"]);
    assert_eq!(stage.uploads(), 4, "three layers and a config");

    stage.listen();
    stage.ok(format!("docker push {first}")).says(&["Layer already exists"]);
    assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");

    stage.ok(format!("docker tag {first} {second}"));
    stage.ok(format!("docker push {second}")).says(&["Mounted from acme/app"]);
    assert_eq!(stage.mounts(), 3, "every layer is mounted");
    let content = stage.content("acme/app", "1").await;
    assert_eq!(content.parsed()["config"]["digest"], id, "the image's id is its config's digest");
    assert_eq!(content, stage.content("other/copy", "1").await);

    let by_digest = stage.at(&format!("other/copy@{}", content.digest()));
    for reference in [&first, &by_digest] {
        stage.ok("docker system prune --all --force");
        assert!(stage.ok("docker images --quiet").text().is_empty(), "nothing is left");
        stage.ok(format!("docker pull {reference}"));
        let inspect = format!("docker image inspect --format {{{{.Id}}}} {reference}");
        assert_eq!(stage.ok(&inspect).text(), id);
        assert_files(&stage, reference, &stage.bench.path("files"));
    }
}

#[tokio::test]
async fn docker_pulls_an_index_that_it_pushed_and_all_tags_of_a_repository() {
    let mut stage = Stage::new().await;
    let _daemon = Dockerd::start(&mut stage.bench);
    log_in(&stage, "alice");
    let (intel, arm) = (stage.at("acme/app:intel"), stage.at("acme/app:arm"));
    let id = build(&mut stage, &intel, "intel");
    build(&mut stage, &arm, "arm");
    for tag in [&intel, &arm] {
        stage.ok(format!("docker push {tag}"));
    }
    for repository in ["acme/app", "other/app"] {
        let list = stage.at(&format!("{repository}:both"));
        stage.listen();
        stage.ok(format!("docker manifest create --insecure {list} {intel} {arm}"));
        stage.ok(format!("docker manifest annotate --arch arm64 {list} {arm}"));
        stage.ok(format!("docker manifest push --insecure --purge {list}"));
        assert_eq!(stage.uploads(), 0, "blobs of a list are mounted, not uploaded");
    }
    let content = stage.content("acme/app", "both").await;
    assert_eq!(content, stage.content("other/app", "both").await);
    let platforms = content.parsed();
    let platforms = platforms["manifests"].as_array().expect("manifests").iter();
    let mut platforms: Vec<_> = platforms.map(|entry| &entry["platform"]["architecture"]).collect();
    platforms.sort_by_key(ToString::to_string);
    assert_eq!(platforms, ["amd64", "arm64"]);

    stage.ok("docker system prune --all --force");
    let list = stage.at("other/app:both");
    stage.ok(format!("docker pull {list}"));
    let inspect = format!("docker image inspect --format {{{{.Id}}}} {list}");
    assert_eq!(stage.ok(&inspect).text(), id, "the list leads to this machine's platform");
    assert_files(&stage, &list, &stage.bench.path("intel"));

    stage.ok("docker system prune --all --force");
    stage.ok(format!("docker pull --all-tags {}", stage.at("acme/app")));
    let listed = stage.ok("docker images --format {{.Tag}}").lines();
    for tag in ["arm", "both", "intel"] {
        assert!(listed.iter().any(|listed| listed == tag), "{tag} of {listed:?}");
    }
}

#[tokio::test]
async fn docker_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let mut stage = Stage::new().await;
    let _daemon = Dockerd::start(&mut stage.bench);
    let host = stage.host();
    let wrong = format!("docker login --username alice --password-stdin {host}");
    stage.feed(&wrong, b"not-her-password").failed_with(&[WRONG_PASSWORD]);
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/app:1"));
    build(&mut stage, &private, "files");
    stage.ok(format!("docker tag {private} {public}"));

    stage.refused(format!("docker push {public}"), &["unauthorized to access repository"]);
    log_in(&stage, "alice");
    stage.ok(format!("docker push {private}"));
    stage.ok(format!("docker push {public}"));
    stage.refused(format!("docker pull {private}-none"), &["not found"]);

    log_in(&stage, "mallory");
    stage.refused(format!("docker pull {private}"), &[NO_RIGHTS]);
    stage.refused(format!("docker push {private}"), &[NO_RIGHTS]);

    stage.ok(format!("docker logout {host}"));
    stage.ok("docker system prune --all --force");
    stage.refused(format!("docker pull {private}"), &[NO_RIGHTS]);
    stage.ok(format!("docker pull {public}"));
    assert_files(&stage, &public, &stage.bench.path("files"));
}

#[tokio::test]
async fn docker_pulls_what_another_client_pushed_until_that_client_deletes_it() {
    let mut stage = Stage::new().await;
    let _daemon = Dockerd::start(&mut stage.bench);
    log_in(&stage, "alice");
    let (layout, pushed) = stage.index("layout", "1");
    let image = stage.at("acme/app:1");
    stage.ok(format!("skopeo copy --all oci:{layout}:1 docker://{image}"));
    stage.ok(format!("docker pull {image}"));
    let pulled = stage.ok(format!("docker inspect --format {{{{.RepoDigests}}}} {image}"));
    let digest = pushed.digest();
    assert!(pulled.text().contains(digest), "{} without {digest}", pulled.text());

    stage.ok(format!("skopeo delete docker://{image}"));
    stage.refused(format!("docker pull {image}"), &["not found"]);
    assert!(!stage.has("acme/app", digest).await, "the manifest is gone with its tag");
}
