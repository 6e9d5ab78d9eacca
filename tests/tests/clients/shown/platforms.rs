//! Manifest lists of buildah and podman, in docker's form and in OCI's.

use roadstead_tests::clients::{Stage, random_files};
use serde_json::{Value, json};

use super::{column, listed, log_in, shown};

#[tokio::test]
async fn platforms_that_buildah_pushed_are_shown_in_both_forms() {
    let mut stage = Stage::new().await;
    log_in(&stage);
    stage.bench.file(
        "home/.config/containers/policy.json",
        br#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
    );
    random_files(&stage.bench, &mut stage.rng, "files", 1);
    stage.bench.file("files/Containerfile", b"FROM scratch\nMAINTAINER ada\nCOPY file-0 /\n");
    let files = stage.bench.at("files");
    for platform in ["linux/amd64", "linux/arm64/v8"] {
        stage.ok(format!("buildah build --quiet --platform {platform} --manifest sea {files}"));
    }
    let credentials = stage.bench.at("docker/config.json");
    for (tag, form, list, config) in [
        (
            "docker",
            "v2s2",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.container.image.v1+json",
        ),
        (
            "oci",
            "oci",
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.config.v1+json",
        ),
    ] {
        let target = stage.at(&format!("acme/app:{tag}"));
        stage.ok(format!(
            "buildah manifest push --authfile {credentials} --all --format {form} \
             sea docker://{target}"
        ));
        let index = shown(&stage, "app", tag, "IMAGE", &[]).await;
        assert_eq!(
            (&index["media_type"], &index["manifest_media_type"]),
            (&json!(list), &json!(list))
        );
        let platforms: Vec<&Value> = index["references"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| &one["platform"])
            .collect();
        assert_eq!(platforms[0]["architecture"], "amd64");
        assert_eq!(
            *platforms[1],
            json!({"architecture": "arm64", "variant": "v8", "os": "linux", "OsFeatures": null})
        );
        for (child, platform) in column(&index["references"], "child_digest").iter().zip(platforms)
        {
            let image = shown(&stage, "app", child, "IMAGE", &["build_history"]).await;
            assert_eq!(image["media_type"], config);
            assert_eq!(image["extra_attrs"]["architecture"], platform["architecture"]);
            assert_eq!(image["extra_attrs"]["author"], "ada");
        }
    }
    assert_eq!(listed(&stage, "app").await.len(), 2);
}
