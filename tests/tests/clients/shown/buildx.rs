//! What buildx pushes: platforms, and what attests how they were built.

use roadstead_tests::clients::{Buildkitd, Stage};
use serde_json::{Value, json};

use super::{artifacts, column, listed, log_in, parsed, shown, still};

const STEPS: &str = "FROM scratch\nLABEL maintainer=ada\nENV SEA=north\nCOPY tide /tide\n\
                     ENTRYPOINT [\"/tide\"]\n";

#[tokio::test]
async fn platforms_of_buildx_are_images_and_attestations_are_attestations() {
    let mut stage = Stage::new().await;
    log_in(&stage);
    let host = stage.host();
    let _buildkitd = Buildkitd::start(&mut stage.bench, &host);
    stage.bench.file("context/Dockerfile", STEPS.as_bytes());
    stage.bench.file("context/tide", b"ebb and flow");
    let target = stage.at("acme/app:1");
    stage.ok(format!(
        "buildx build --platform linux/amd64,linux/arm/v7 --provenance=mode=max --quiet \
         --output type=image,name={target},push=true,oci-mediatypes=true context"
    ));
    let index = shown(&stage, "app", "1", "IMAGE", &[]).await;
    assert_eq!(listed(&stage, "app").await, std::slice::from_ref(&index));
    let platforms = [
        json!({"architecture": "amd64", "os": "linux", "OsFeatures": null}),
        json!({"architecture": "arm", "os": "linux", "variant": "v7", "OsFeatures": null}),
        json!({"architecture": "unknown", "os": "unknown", "OsFeatures": null}),
        json!({"architecture": "unknown", "os": "unknown", "OsFeatures": null}),
    ];
    let references = index["references"].as_array().expect("references");
    let digests = column(&index["references"], "child_digest");
    let named = stage.content("acme/app", "1").await.parsed();
    for (number, (reference, platform)) in references.iter().zip(&platforms).enumerate() {
        let attests = number > 1;
        let kind = if attests { "ATTESTATION" } else { "IMAGE" };
        let additions: &[&str] = if attests { &[] } else { &["build_history"] };
        let child = shown(&stage, "app", &digests[number], kind, additions).await;
        let mut expected = json!({
            "parent_id": index["id"], "child_id": child["id"], "child_digest": digests[number],
            "platform": platform, "urls": null,
        });
        if attests {
            expected["annotations"] = json!({
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": digests[number - 2],
            });
        }
        assert_eq!(*reference, expected);
        assert_eq!(named["manifests"][number]["digest"], json!(digests[number]));
        assert_eq!((&child["tags"], &child["references"]), (&Value::Null, &Value::Null));
        if !attests {
            is_what_was_built(&stage, &child, platform).await;
        }
    }
    assert_eq!(references.len(), platforms.len());
    let all = stage.alice().read(&format!("{}?q=base%3D*", artifacts("app"))).await;
    assert_eq!(all.as_array().expect("a list").len(), 5);
    let of_type = format!("{}?q=base%3D*,type%3DATTESTATION", artifacts("app"));
    assert_eq!(stage.alice().read(&of_type).await.as_array().expect("a list").len(), 2);
    // buildx makes of it one that has only a platform, and what attests that.
    let less = stage.at("acme/app:less");
    let one = stage.at(&format!("acme/app@{}", digests[0]));
    stage.ok(format!("buildx imagetools create --tag {less} {one}"));
    let less = still(stage.alice().read(&format!("{}/less", artifacts("app"))).await);
    assert_eq!(column(&less["references"], "child_digest")[0], digests[0]);
}

/// The image of one platform, as its `Dockerfile` says.
async fn is_what_was_built(stage: &Stage, image: &Value, platform: &Value) {
    let about = &image["extra_attrs"];
    assert_eq!((&about["os"], &about["author"]), (&json!("linux"), &json!("ada")));
    assert_eq!(about["architecture"], platform["architecture"]);
    assert!(about["created"].is_string(), "{about}");
    assert_eq!(about["config"]["Entrypoint"], json!(["/tide"]));
    assert_eq!(about["config"]["Labels"], json!({"maintainer": "ada"}));
    let digest = image["digest"].as_str().expect("a digest");
    let history = parsed(stage, "app", digest, "build_history").await;
    let steps = column(&history, "created_by");
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert!(steps[2].contains("COPY tide /tide"), "{steps:?}");
}
