//! oras.

use std::fs;

use roadstead_tests::clients::{Content, PASSWORD, Stage, random_files};

use crate::{NO_RIGHTS, NO_RIGHTS_TO_HEAD, WRONG_PASSWORD};

fn log_in(stage: &Stage, user: &str) {
    let line = format!("oras login --plain-http -u {user} --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded().says(&["Login Succeeded"]);
}

/// Pushes two files as an artifact and one attached to it; oras runs in the directory of the files.
fn push_and_attach(stage: &mut Stage, target: &str) {
    random_files(&stage.bench, &mut stage.rng, "files", 3);
    let files = "files/file-0:application/x-large files/file-1:text/plain";
    let push = "oras push --plain-http --artifact-type application/vnd.example.data";
    stage.ok(format!("{push} {target} {files}"));
    let attach = "oras attach --plain-http --artifact-type application/vnd.example.note";
    stage.ok(format!("{attach} {target} files/file-2:text/plain"));
}

#[tokio::test]
async fn oras_pushes_attaches_discovers_and_pulls_files_to_the_byte() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let target = stage.at("acme/data:1");
    push_and_attach(&mut stage, &target);
    let content = stage.content("acme/data", "1").await;
    assert_eq!(content.parsed()["artifactType"], "application/vnd.example.data");

    let found = stage.ok(format!("oras discover --plain-http --format json {target}")).json();
    assert_eq!(found["digest"], content.digest());
    assert_eq!(found["referrers"][0]["artifactType"], "application/vnd.example.note");
    let attached = found["referrers"][0]["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(stage.referrers("acme/data", content.digest()).await, [attached.as_str()]);
    assert_eq!(stage.tags("acme/data").await, ["1"], "no fallback tag is needed");
    let filter = "--artifact-type application/vnd.example.none";
    let filtered = format!("oras discover --plain-http --format json {filter} {target}");
    assert_eq!(stage.ok(&filtered).json()["referrers"], serde_json::json!([]));

    let note = stage.at(&format!("acme/data@{attached}"));
    let by_digest = stage.at(&format!("acme/data@{}", content.digest()));
    for (reference, files) in [(&target, 0..2), (&by_digest, 0..2), (&note, 2..3)] {
        let out = stage.bench.path("out");
        stage.ok(format!("oras pull --plain-http --output {} {reference}", out.display()));
        for number in files {
            let name = format!("files/file-{number}");
            let (pulled, pushed) = (fs::read(out.join(&name)), fs::read(stage.bench.path(&name)));
            assert!(pulled.expect("a file") == pushed.expect("a file"), "{name} differs");
        }
        fs::remove_dir_all(out).expect("the directory goes");
    }
}

#[tokio::test]
async fn oras_copies_a_graph_by_mounting_and_to_a_layout_and_back() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (first, second) = (stage.at("acme/data:1"), stage.at("other/data:1"));
    push_and_attach(&mut stage, &first);
    let content = stage.content("acme/data", "1").await;
    stage.listen();
    stage.ok(format!("oras cp -r --from-plain-http --to-plain-http {first} {second}"));
    assert_eq!((stage.mounts(), stage.uploads()), (4, 0), "every blob is mounted");
    assert_eq!(stage.content("other/data", "1").await, content);
    let attached = stage.referrers("acme/data", content.digest()).await;
    assert_eq!(stage.referrers("other/data", content.digest()).await, attached);

    let layout = stage.bench.at("backup");
    let repository = stage.at("acme/data");
    let backup =
        format!("oras backup --plain-http --include-referrers --output {layout} {repository}");
    stage.ok(&backup);
    assert_eq!(Content::of_layout(&layout, "1"), content);
    let restored = stage.at("open/data");
    stage.ok(format!("oras restore --plain-http --input {layout} {restored}"));
    assert_eq!(stage.content("open/data", "1").await, content);
    assert_eq!(stage.referrers("open/data", content.digest()).await, attached);
}

#[tokio::test]
async fn oras_pushes_an_index_once_lists_and_deletes() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let (layout, pushed) = stage.index("layout", "1");
    let target = stage.at("acme/app:1");
    let copy = format!("oras cp --from-oci-layout --to-plain-http {layout}:1 {target}");
    stage.ok(&copy);
    assert_eq!(stage.content("acme/app", "1").await, pushed);
    stage.listen();
    stage.ok(&copy);
    assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");
    stage.ok(format!("oras tag --plain-http {target} 2 3"));
    let tags = format!("oras repo tags --plain-http {}", stage.at("acme/app"));
    assert_eq!(stage.ok(&tags).lines(), ["1", "2", "3"]);
    let repositories = format!("oras repo ls --plain-http {}", stage.host());
    assert_eq!(stage.ok(&repositories).lines(), ["acme/app"]);
    let fetched = stage.ok(format!("oras manifest fetch --plain-http {target}"));
    assert_eq!(fetched.bytes(), pushed.manifest());

    stage.bench.file("blob", b"a blob of nobody");
    let repository = stage.at("acme/app");
    let blob = stage.ok(format!("oras blob push --plain-http --descriptor {repository} blob"));
    let digest = blob.json()["digest"].as_str().expect("a digest").to_owned();
    let blob = stage.at(&format!("acme/app@{digest}"));
    let fetch = format!("oras blob fetch --plain-http --output - {blob}");
    assert_eq!(stage.ok(&fetch).bytes(), b"a blob of nobody");
    stage.ok(format!("oras blob delete --plain-http --force {blob}"));
    stage.refused(&fetch, &["not found"]);

    stage.ok(format!("oras manifest delete --plain-http --force {target}"));
    assert_eq!(stage.tags("acme/app").await, [""; 0], "it deletes by digest, with all tags");
    stage.refused(format!("oras manifest fetch --plain-http {target}"), &["not found"]);
}

#[tokio::test]
async fn oras_says_why_it_may_not_and_needs_no_login_for_public_projects() {
    let stage = Stage::new().await;
    let wrong = format!("oras login --plain-http -u alice --password-stdin {}", stage.host());
    stage.feed(&wrong, b"not-her-password").failed_with(&[WRONG_PASSWORD]);
    stage.bench.file("note", b"public");
    let (private, public) = (stage.at("acme/app:1"), stage.at("open/note:1"));
    let nobody = "unauthorized to access repository: open/note";
    stage.refused(format!("oras push --plain-http {public} note"), &[nobody]);
    log_in(&stage, "alice");
    for reference in [&private, &public] {
        stage.ok(format!("oras push --plain-http {reference} note"));
    }
    log_in(&stage, "mallory");
    stage.refused(format!("oras push --plain-http {private} note"), NO_RIGHTS_TO_HEAD);
    stage.refused(
        format!("oras attach --plain-http --artifact-type a/b {private} note"),
        NO_RIGHTS_TO_HEAD,
    );
    stage.refused(format!("oras pull --plain-http {private}"), NO_RIGHTS_TO_HEAD);
    stage.refused(format!("oras repo tags --plain-http {}", stage.at("acme/app")), &[NO_RIGHTS]);
    stage.ok(format!("oras logout {}", stage.host()));
    stage.ok(format!("oras pull --plain-http --output out {public}"));
    assert_eq!(fs::read(stage.bench.path("out/note")).expect("a file"), b"public");
}
