//! Real clients log in, push, pull, mount, list, copy and delete; content is compared to the byte.

mod containerd;
mod containers;
mod cosign;
mod crane;
mod docker;
mod helm;
mod oras;
mod regctl;
mod skopeo;

/// What a refused request is answered with, and every client must show.
const NO_RIGHTS: &str = "unauthorized to access repository: acme/app";
/// What clients that ask with HEAD first make of the refusal: there is no body to show.
const NO_RIGHTS_TO_HEAD: &[&str] = &["nauthorized", "acme/app"];
/// What a wrong password is answered with.
const WRONG_PASSWORD: &str = "incorrect username or password";
