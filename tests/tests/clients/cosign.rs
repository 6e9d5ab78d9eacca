//! cosign, with a key pair and without any service of the internet.

use roadstead_tests::clients::{Content, PASSWORD, Stage};

use crate::{NO_RIGHTS, WRONG_PASSWORD};

const SIGN: &str = "cosign sign --key cosign.key --use-signing-config=false --tlog-upload=false \
    --allow-http-registry --yes";
const ATTEST: &str = "cosign attest --key cosign.key --use-signing-config=false \
    --tlog-upload=false --allow-http-registry --yes --type custom --predicate predicate.json";
const VERIFY: &str = "--key cosign.pub --insecure-ignore-tlog --allow-http-registry";
/// The form of cosign 1 and 2: signatures under a tag made of the digest.
const TAGS: &str = "--new-bundle-format=false";

fn log_in(stage: &Stage, user: &str) {
    let line = format!("cosign login --username {user} --password-stdin {}", stage.host());
    stage.feed(&line, PASSWORD.as_bytes()).succeeded();
}

/// Pushes an index of two platforms and makes a key pair; returns the content.
fn prepare(stage: &mut Stage) -> Content {
    stage.ok("cosign generate-key-pair");
    stage.bench.file("predicate.json", br#"{"tested": true}"#);
    let (layout, content) = stage.index("layout", "1");
    push(stage, &layout, "acme/app:1");
    content
}

fn push(stage: &Stage, layout: &str, reference: &str) {
    let target = stage.at(reference);
    let creds = format!("--dest-creds alice:{PASSWORD}");
    let copy = format!("skopeo copy --all {creds} oci:{layout}:1 docker://{target}");
    stage.ok(&copy);
}

#[tokio::test]
async fn cosign_signs_and_attests_with_bundles_as_referrers_and_cleans_them_up() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let content = prepare(&mut stage);
    let target = stage.at(&format!("acme/app@{}", content.digest()));
    let unsigned = format!("cosign verify {VERIFY} {target}");
    stage.refused(&unsigned, &["no signatures found"]);
    stage.ok(format!("{SIGN} {target}"));
    assert_eq!(stage.referrers("acme/app", content.digest()).await.len(), 1);
    assert_eq!(stage.tags("acme/app").await, ["1"], "the signature needs no tag");
    stage.ok(format!("cosign verify {VERIFY} {target}")).says(&[content.digest()]);
    stage.ok(format!("{ATTEST} {target}"));
    assert_eq!(stage.referrers("acme/app", content.digest()).await.len(), 2);
    stage.ok(format!("cosign verify-attestation --type custom {VERIFY} {target}"));
    stage.ok(format!("cosign tree --allow-http-registry {target}")).says(&["sigstore.dev"]);

    stage.ok("cosign generate-key-pair --output-key-prefix stranger");
    let stranger = VERIFY.replace("cosign.pub", "stranger.pub");
    stage.refused(format!("cosign verify {stranger} {target}"), &["Error"]);

    stage.ok(format!("cosign clean --force --allow-http-registry {target}"));
    assert_eq!(stage.referrers("acme/app", content.digest()).await, [""; 0]);
    stage.refused(&unsigned, &["no signatures found"]);
    assert_eq!(stage.content("acme/app", "1").await, content, "the image stays");
}

#[tokio::test]
async fn cosign_signs_under_tags_copies_image_and_signature_and_cleans_up() {
    let mut stage = Stage::new().await;
    log_in(&stage, "alice");
    let content = prepare(&mut stage);
    let target = stage.at(&format!("acme/app@{}", content.digest()));
    stage.ok(format!("{SIGN} {TAGS} {target}"));
    let signature = format!("{}.sig", content.digest().replace(':', "-"));
    assert_eq!(stage.tags("acme/app").await, ["1".to_owned(), signature.clone()]);
    let triangulated = stage.ok(format!("cosign triangulate {target}"));
    assert_eq!(triangulated.text(), stage.at(&format!("acme/app:{signature}")));
    let verify = format!("cosign verify {TAGS} {VERIFY}");
    stage.ok(format!("{verify} {target}")).says(&[content.digest()]);

    stage.listen();
    let copy = format!("cosign copy --allow-http-registry {target}");
    stage.ok(format!("{copy} {}", stage.at("other/app:1")));
    assert_eq!(stage.uploads(), 0, "blobs are mounted, not uploaded");
    let copied = stage.at(&format!("other/app@{}", content.digest()));
    assert_eq!(stage.content("other/app", content.digest()).await, content);
    stage.ok(format!("{verify} {copied}"));
    assert_eq!(
        stage.content("other/app", &signature).await,
        stage.content("acme/app", &signature).await
    );

    stage.ok(format!("cosign clean --force --allow-http-registry {target}"));
    assert_eq!(stage.tags("acme/app").await, ["1"]);
    stage.refused(format!("{verify} {target}"), &["no signatures found"]);
    stage.ok(format!("{verify} {copied}"));
}

#[tokio::test]
async fn cosign_says_why_it_may_not_and_verifies_public_images_without_login() {
    let mut stage = Stage::new().await;
    let content = prepare(&mut stage);
    push(&stage, &stage.bench.at("layout"), "open/app:1");
    let private = stage.at(&format!("acme/app@{}", content.digest()));
    let public = stage.at(&format!("open/app@{}", content.digest()));
    // This client only stores the password; it is the first request that says no.
    let wrong = format!("cosign login --username alice --password wrong {}", stage.host());
    stage.ok(&wrong);
    stage.refused(format!("{SIGN} {private}"), &[WRONG_PASSWORD]);
    log_in(&stage, "mallory");
    stage.refused(format!("{SIGN} {private}"), &[NO_RIGHTS]);
    let nobody = "unauthorized to access repository: open/app";
    stage.refused(format!("{SIGN} {public}"), &[nobody]);
    stage.refused(format!("cosign verify {VERIFY} {private}"), &["unauthorized"]);

    log_in(&stage, "alice");
    stage.ok(format!("{SIGN} {public}"));
    stage.bench.file("docker/config.json", b"{}");
    stage.ok(format!("cosign verify {VERIFY} {public}")).says(&[content.digest()]);
}
