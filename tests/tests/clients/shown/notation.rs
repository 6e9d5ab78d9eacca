//! Signatures of notation.

use serde_json::json;

use super::{belong, column, listed, log_in, shown};
use roadstead_tests::clients::Stage;

#[tokio::test]
async fn what_notation_signs_has_its_signatures() {
    let mut stage = Stage::new().await;
    log_in(&stage);
    let (layout, content) = stage.image("layout", "1");
    let target = stage.at("acme/app:1");
    stage.ok(format!("oras cp --from-oci-layout --to-plain-http {layout}:1 {target}"));
    let digest = content.digest().to_owned();
    let target = stage.at(&format!("acme/app@{digest}"));
    stage.ok("notation cert generate-test --default tide");
    let policy = json!({"version": "1.0", "trustPolicies": [{
        "name": "all", "registryScopes": ["*"], "trustStores": ["ca:tide"],
        "trustedIdentities": ["*"], "signatureVerification": {"level": "strict"}}]});
    stage.bench.file("policy.json", policy.to_string().as_bytes());
    stage.ok("notation policy import policy.json");
    let verify = format!("notation verify --insecure-registry {target}");
    stage.refused(&verify, &["no signature is associated"]);

    let sign = "notation sign --insecure-registry --force-referrers-tag=false";
    stage.ok(format!("{sign} {target}"));
    let first = stage.referrers("acme/app", &digest).await;
    stage.ok(format!("{sign} --signature-format cose {target}"));
    let both = stage.referrers("acme/app", &digest).await;
    let second = both.iter().find(|one| **one != first[0]).expect("a second one").clone();
    stage.ok(&verify).says(&[&digest]);
    let image = shown(&stage, "app", "1", "IMAGE", &["build_history"]).await;
    assert_eq!(listed(&stage, "app").await, std::slice::from_ref(&image));
    let mut expected =
        vec![(first[0].clone(), "signature.notation"), (second, "signature.notation")];
    belong(&stage, &image, &expected).await;
    let alone = shown(&stage, "app", &first[0], "UNKNOWN", &[]).await;
    assert_eq!(alone["artifact_type"], "application/vnd.cncf.notary.signature");
    assert_eq!(alone["tags"], json!(null));

    // As it signs when it is not told what the registry can: with an index under a tag.
    stage.ok(format!("notation sign --insecure-registry {target}"));
    let tag = digest.replace(':', "-");
    assert_eq!(stage.tags("acme/app").await, ["1".to_owned(), tag.clone()]);
    let index = shown(&stage, "app", &tag, "IMAGE", &[]).await;
    let third = column(&index["references"], "child_digest");
    expected.push((third[0].clone(), "signature.notation"));
    let image = shown(&stage, "app", "1", "IMAGE", &["build_history"]).await;
    belong(&stage, &image, &expected).await;
    assert_eq!(listed(&stage, "app").await, [index, image]);
    stage.ok(&verify);
}
