//! podman and buildah, which share a store of images.

use std::fs;

use roadstead_tests::clients::{Content, PASSWORD, Stage, random_files};

use crate::{NO_RIGHTS, NO_RIGHTS_TO_HEAD, WRONG_PASSWORD};

fn log_in(stage: &Stage, client: &str, user: &str) {
    let line = format!("{client} login --username {user} --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded().says(&["Login Succeeded"]);
}

/// Builds an image of three layers with random files, for a platform.
fn build(stage: &mut Stage, options: &str, files: &str) {
    let directory = random_files(&stage.bench, &mut stage.rng, files, 3);
    let steps = "FROM scratch\nCOPY file-0 /\nCOPY file-1 /\nCOPY file-2 /sub/\n";
    stage.bench.file(&format!("{files}/Containerfile"), steps.as_bytes());
    stage.ok(format!("buildah build --quiet --layers {options} {}", directory.display()));
}

/// Asserts that the files of a pulled image are the ones it was built from.
#[track_caller]
fn assert_files(stage: &Stage, image: &str, files: &str) {
    let container = stage.ok(format!("buildah from --pull-never {image}")).text();
    let root = stage.ok(format!("buildah mount {container}")).text();
    for (path, source) in [("file-0", "file-0"), ("file-1", "file-1"), ("sub/file-2", "file-2")] {
        let pulled = fs::read(format!("{root}/{path}")).expect("a pulled file");
        let built = fs::read(stage.bench.path(files).join(source)).expect("its source");
        assert!(pulled == built, "{path} of {image} differs");
    }
    stage.ok(format!("buildah umount {container}"));
    stage.ok(format!("buildah rm {container}"));
}

#[tokio::test]
async fn podman_pushes_once_mounts_and_pulls_what_buildah_built() {
    let mut stage = Stage::new().await;
    log_in(&stage, "podman", "alice");
    let (first, second) = (stage.at("acme/app:1"), stage.at("other/copy:1"));
    build(&mut stage, &format!("--tag {first}"), "files");
    stage.listen();
    stage.ok(format!("podman push {first}"));
    assert_eq!(stage.uploads(), 4, "three layers and a config");
    let content = stage.content("acme/app", "1").await;
    let id = content.parsed()["config"]["digest"].clone();

    stage.listen();
    stage.ok(format!("podman push {first}"));
    assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");
    stage.ok(format!("podman push {first} {second}"));
    assert_eq!(stage.mounts(), 3, "every layer is mounted");
    assert_eq!(stage.content("other/copy", "1").await.layers(), content.layers());

    let by_digest = stage.at(&format!("acme/app@{}", content.digest()));
    for reference in [&second, &by_digest] {
        stage.ok("podman rmi --all --force");
        assert!(stage.ok("podman images --quiet").text().is_empty(), "nothing is left");
        stage.ok(format!("podman pull {reference}"));
        let inspect = format!("podman image inspect --format {{{{.Id}}}} {reference}");
        assert_eq!(format!("sha256:{}", stage.ok(&inspect).text()), id);
        assert_files(&stage, reference, "files");
    }
    let repository = stage.at("acme/app");
    let tags = stage.ok(format!("podman search --list-tags {repository}"));
    let tags = tags.lines().split_off(1);
    let tags: Vec<Vec<&str>> = tags.iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(tags, [[repository.as_str(), "1"]], "under a headline");
    let found = stage.ok(format!("podman search --format {{{{.Name}}}} {}/", stage.host()));
    assert_eq!(found.lines(), [stage.at("acme/app"), stage.at("other/copy")]);
}

#[tokio::test]
async fn buildah_pushes_an_index_of_two_platforms_and_pulls_each() {
    let mut stage = Stage::new().await;
    log_in(&stage, "buildah", "alice");
    for platform in ["amd64", "arm64"] {
        build(&mut stage, &format!("--platform linux/{platform} --manifest both"), platform);
    }
    let list = stage.at("acme/app:both");
    let push = format!("buildah manifest push --all both docker://{list}");
    stage.listen();
    stage.ok(&push);
    assert_eq!(stage.uploads(), 8, "three layers and a config for each platform");
    stage.listen();
    stage.ok(&push);
    assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");
    let layout = stage.bench.at("layout");
    stage.ok(format!("skopeo copy --all docker://{list} oci:{layout}:1"));
    let content = stage.content("acme/app", "both").await;
    assert_eq!(Content::of_layout(&layout, "1"), content);

    for platform in ["amd64", "arm64"] {
        stage.ok("buildah rmi --all --force");
        stage.ok(format!("buildah pull --platform linux/{platform} {list}"));
        assert_files(&stage, &list, platform);
    }
}

#[tokio::test]
async fn podman_and_buildah_say_why_they_may_not_and_need_no_login_for_public_projects() {
    let mut stage = Stage::new().await;
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/app:1"));
    build(&mut stage, &format!("--tag {private} --tag {public}"), "files");
    for (client, always) in [("podman", ""), ("buildah", "--policy always")] {
        let wrong = format!("{client} login --username alice --password-stdin {}", stage.host());
        stage.feed(&wrong, b"not-hers").failed_with(&["invalid username/password"]);
        let wrong = format!("{client} push --creds alice:wrong {private}");
        stage.refused(&wrong, &[WRONG_PASSWORD]);
        let nobody = "unauthorized to access repository: open/app";
        stage.refused(format!("{client} push {public}"), &[nobody]);

        log_in(&stage, client, "alice");
        stage.ok(format!("{client} push {private}"));
        stage.ok(format!("{client} push {public}"));
        log_in(&stage, client, "mallory");
        stage.refused(format!("{client} push {private}"), NO_RIGHTS_TO_HEAD);
        stage.refused(format!("{client} pull {always} {private}"), &[NO_RIGHTS]);
        stage.ok(format!("{client} logout {}", stage.host()));
        stage.refused(format!("{client} pull {always} {private}"), &[NO_RIGHTS]);
    }
    stage.ok("podman rmi --all --force");
    stage.ok(format!("podman pull {public}"));
    assert_files(&stage, &public, "files");
}
