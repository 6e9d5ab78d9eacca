//! Blobs and manifests.

use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::{header, with_query};

use crate::stage::Stage;

pub async fn drive(stage: &Stage) {
    blobs(stage).await;
    manifests(stage).await;
}

/// Sessions leave nothing; the blob that comes of one does.
async fn blobs(stage: &Stage) {
    const UPLOADS: &str = "/v2/audited/app/blobs/uploads/";
    let admin = &stage.admin;
    let digest = sha256(b"first");
    let acted = stage.act(admin.send("POST", UPLOADS), 202).await;
    acted.left_nothing();
    let session = header(&acted.answer, "location");
    stage.act(admin.send("PATCH", &session).body("fir"), 202).await.left_nothing();
    let url = with_query(&session, &format!("digest={digest}"));
    let acted = stage.act(admin.send("PUT", &url).body("st"), 201).await;
    acted.left("admin", "create", "blob", &format!("audited/app@{digest}"));
    let url = format!("{UPLOADS}?digest={}", sha256(b"second"));
    let acted = stage.act(admin.send("POST", &url).body("second"), 201).await;
    acted.left("admin", "create", "blob", &format!("audited/app@{}", sha256(b"second")));
    let url = format!("/v2/audited/other/blobs/uploads/?mount={digest}&from=audited/app");
    let acted = stage.act(admin.send("POST", &url), 201).await;
    acted.left("admin", "create", "blob", &format!("audited/other@{digest}"));
    let path = format!("/v2/audited/other/blobs/{digest}");
    let acted = stage.act(admin.send("DELETE", &path), 202).await;
    acted.left("admin", "delete", "blob", &format!("audited/other@{digest}"));
    let acted = stage.act(admin.send("POST", UPLOADS), 202).await;
    let session = header(&acted.answer, "location");
    stage.act(admin.send("DELETE", &session), 204).await.left_nothing();
}

async fn manifests(stage: &Stage) {
    let admin = &stage.admin;
    admin.push_blob("audited/app", b"{}").await;
    let manifest = serde_json::to_vec(&content::image(b"{}", &[b"first"])).unwrap();
    let digest = sha256(&manifest);
    let put = |query: &str| {
        let path = format!("/v2/audited/app/manifests/v1{query}");
        admin.send("PUT", &path).header("content-type", MANIFEST).body(manifest.clone())
    };
    let acted = stage.act(put("?tag=v2&tag=v3"), 201).await;
    acted.left("admin", "create", "artifact", &format!("audited/app:v1:v2:v3@{digest}"));
    // The same again changes nothing.
    stage.act(put(""), 201).await.left_nothing();
    let path = "/v2/audited/app/manifests/v3";
    let acted = stage.act(admin.send("DELETE", path), 202).await;
    acted.left("admin", "delete", "tag", "audited/app:v3");
    let path = format!("/v2/audited/app/manifests/{digest}");
    let acted = stage.act(admin.send("DELETE", &path), 202).await;
    acted.left("admin", "delete", "artifact", &format!("audited/app@{digest}"));
}
