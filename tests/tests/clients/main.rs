//! Real clients log in, push, pull, mount, list, copy and delete; content is compared to the byte.

mod containerd;
mod containers;
mod cosign;
mod crane;
mod docker;
mod helm;
mod oras;
mod regctl;
mod robots;
mod shown;
mod skopeo;

use roadstead_tests::clients::{Content, Stage};

/// What a refused request is answered with, and every client must show.
const NO_RIGHTS: &str = "unauthorized to access repository: acme/app";
/// What clients that ask with HEAD first make of the refusal: there is no body to show.
const NO_RIGHTS_TO_HEAD: &[&str] = &["nauthorized", "acme/app"];
/// What a wrong password is answered with.
const WRONG_PASSWORD: &str = "incorrect username or password";

/// Pushes an image of four blobs to `acme/app:1`, pushes it again, and copies it to `other/copy:1`,
/// as seen on the wire: nothing is uploaded twice, and `mounts` of the blobs are only mounted.
async fn pushed_once_and_mounted(
    stage: &mut Stage,
    pushed: &Content,
    push: &str,
    copy: &str,
    mounts: usize,
) {
    stage.listen();
    stage.ok(push);
    assert_eq!(stage.uploads(), 4, "three layers and a config");
    assert_eq!(stage.content("acme/app", "1").await, *pushed);
    stage.listen();
    stage.ok(push);
    assert_eq!(stage.uploads(), 0, "nothing is uploaded twice");
    stage.ok(copy);
    assert_eq!((stage.mounts(), stage.uploads()), (mounts, 4 - mounts), "the rest is uploaded");
    assert_eq!(stage.content("other/copy", "1").await, *pushed);
}
