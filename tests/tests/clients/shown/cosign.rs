//! Signatures, attestations and bills of materials of cosign.

use roadstead_tests::clients::Stage;
use serde_json::{Value, json};

use super::{accessory, artifacts, belong, column, listed, log_in, parsed, shown, still};

const KEY: &str = "--key cosign.key --use-signing-config=false --tlog-upload=false \
                   --allow-http-registry --yes";
const VERIFY: &str = "--key cosign.pub --insecure-ignore-tlog --allow-http-registry";
/// The form of cosign 1 and 2.
const TAGS: &str = "--new-bundle-format=false";
const REFERRERS: &str = "--registry-referrers-mode=oci-1-1";
const BILL: &str = "cosign attach sbom --sbom bill.json --type spdx --input-format json \
                    --allow-http-registry";

/// The digest of what was pushed last of all that refers to another.
async fn newest(stage: &Stage, digest: &str, known: &mut Vec<String>) -> String {
    let now = stage.referrers("acme/app", digest).await;
    let mut fresh = now.iter().filter(|one| !known.contains(one));
    let found = fresh.next().expect("one more referrer").clone();
    assert_eq!(fresh.next(), None, "one only");
    known.push(found.clone());
    found
}

async fn tagged(stage: &Stage, digest: &str, end: &str) -> String {
    let tag = format!("{}.{end}", digest.replace(':', "-"));
    stage.content("acme/app", &tag).await.digest().to_owned()
}

#[tokio::test]
async fn what_cosign_signs_and_attests_belongs_to_the_artifact() {
    let mut stage = Stage::new().await;
    log_in(&stage);
    stage.ok("cosign generate-key-pair");
    stage.bench.file("bill.json", br#"{"spdxVersion":"SPDX-2.3"}"#);
    let (layout, content) = stage.index("layout", "1");
    let target = stage.at("acme/app:1");
    stage.ok(format!("oras cp --from-oci-layout --to-plain-http {layout}:1 {target}"));
    let digest = content.digest().to_owned();
    let target = stage.at(&format!("acme/app@{digest}"));
    let (mut known, mut expected) = (Vec::new(), Vec::new());
    stage.ok(format!("cosign sign {KEY} {TAGS} {target}"));
    // It refers to the artifact by its tag.
    let by_tag = newest(&stage, &digest, &mut known).await;
    assert_eq!(by_tag, tagged(&stage, &digest, "sig").await);
    expected.push((by_tag, "signature.cosign"));
    stage.ok(format!("cosign sign {KEY} {target}"));
    expected.push((newest(&stage, &digest, &mut known).await, "signature.cosign"));
    stage.ok(format!("cosign attest {KEY} --type spdxjson --predicate bill.json {target}"));
    expected.push((newest(&stage, &digest, &mut known).await, "subject.accessory"));
    stage.ok(format!("cosign verify {VERIFY} {target}")).says(&[&digest]);
    stage.ok(format!("cosign verify {TAGS} {VERIFY} {target}")).says(&[&digest]);
    stage.ok(format!("cosign verify-attestation --type spdxjson {VERIFY} {target}"));
    // What cosign calls an experiment: its own format, with a subject.
    stage.bench.env("COSIGN_EXPERIMENTAL", "1");
    stage.ok(format!("cosign sign {KEY} {TAGS} {REFERRERS} {target}"));
    expected.push((newest(&stage, &digest, &mut known).await, "signature.cosign"));
    stage.ok(format!("{BILL} {REFERRERS} {target}"));
    let bill = newest(&stage, &digest, &mut known).await;
    expected.push((bill.clone(), "subject.accessory"));

    let image = shown(&stage, "app", "1", "IMAGE", &[]).await;
    assert_eq!(
        listed(&stage, "app").await,
        std::slice::from_ref(&image),
        "a list has nothing else"
    );
    belong(&stage, &image, &expected).await;
    let bill_alone = shown(&stage, "app", &bill, "SBOM", &["sbom"]).await;
    assert_eq!(bill_alone["accessories"], Value::Null);
    let text = parsed(&stage, "app", &bill, "sbom").await;
    assert_eq!(text, json!({"spdxVersion": "SPDX-2.3"}));
    let signed_only = format!("{}/1/accessories?q=type%3Dsignature.cosign", artifacts("app"));
    assert_eq!(stage.alice().read(&signed_only).await.as_array().expect("a list").len(), 3);
    // The platforms have no signatures of their own, and show those of the index.
    let child = image["references"][0]["child_digest"].as_str().expect("a digest");
    let child = shown(&stage, "app", child, "IMAGE", &["build_history"]).await;
    let mut inherited = Vec::new();
    for (digest, kind) in expected.iter().filter(|(_, kind)| *kind == "signature.cosign") {
        inherited.push(accessory(&stage, &image, digest, kind).await);
    }
    assert_eq!(child["inherited_accessories"], Value::Array(inherited));
}

#[tokio::test]
async fn attestations_and_bills_under_tags_of_cosign_are_no_images() {
    let mut stage = Stage::new().await;
    log_in(&stage);
    stage.ok("cosign generate-key-pair");
    stage.bench.file("bill.json", br#"{"spdxVersion":"SPDX-2.3"}"#);
    let (layout, content) = stage.image("layout", "1");
    let target = stage.at("acme/app:1");
    stage.ok(format!("oras cp --from-oci-layout --to-plain-http {layout}:1 {target}"));
    let digest = content.digest().to_owned();
    let target = stage.at(&format!("acme/app@{digest}"));
    stage.ok(format!("cosign attest {KEY} {TAGS} --type spdxjson --predicate bill.json {target}"));
    stage.ok(format!("{BILL} {target}"));
    stage.ok(format!("cosign verify-attestation {TAGS} --type spdxjson {VERIFY} {target}"));
    let tag = |end: &str| format!("{}.{end}", digest.replace(':', "-"));
    let attestation = shown(&stage, "app", &tag("att"), "ATTESTATION", &[]).await;
    let bill = shown(&stage, "app", &tag("sbom"), "SBOM", &["sbom"]).await;
    let image = shown(&stage, "app", "1", "IMAGE", &["build_history"]).await;
    // As in Harbor, they are artifacts with tags, and belong to nothing.
    assert_eq!(image["accessories"], Value::Null);
    assert_eq!(listed(&stage, "app").await, [bill.clone(), attestation, image]);
    assert_eq!(column(&bill["tags"], "name"), [tag("sbom")]);
    let text = parsed(&stage, "app", &tag("sbom"), "sbom").await;
    assert_eq!(text, json!({"spdxVersion": "SPDX-2.3"}));
    let path = format!("{}?q=type%3DATTESTATION", artifacts("app"));
    let found = still(stage.alice().read(&path).await);
    assert_eq!(found[0]["tags"][0]["name"], json!(tag("att")));
}
