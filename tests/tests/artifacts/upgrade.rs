//! What was pushed before anybody asked what artifacts are.

use roadstead_tests::content::{MANIFEST, image};
use serde_json::json;

use super::stage::{APP, digest_of, push, push_image, push_index, started};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_stored_is_looked_at_after_the_start() {
    let mut server = started();
    let admin = server.admin();
    let (manifest, digest) = push_image(&admin, "v1", "amd64", b"one").await;
    push_index(&admin, "multi").await;
    let mut signature = image(b"{}", &[b"payload"]);
    signature["subject"] = json!({"mediaType": MANIFEST, "digest": digest,
                                  "size": manifest.to_string().len()});
    signature["artifactType"] = "application/vnd.cncf.notary.signature".into();
    let reference = digest_of(&signature);
    push(&admin, "library/app", &reference, &[b"{}", b"payload"], &signature).await;
    let list = format!("{APP}?with_accessory=true&with_label=true");
    let before = admin.read(&list).await;
    assert_eq!(before.as_array().unwrap().len(), 2);
    server.kill();
    // As migrations leave the rows of before.
    let database = server.database().await;
    for statement in [
        "DELETE FROM manifest_attributes",
        "UPDATE manifest SET kind = '', config_media_type = NULL, total_size = 0,
             accessory_of = NULL, accessory_type = NULL",
        "UPDATE manifest SET annotations = NULL WHERE subject_digest IS NULL",
    ] {
        database.execute(statement, &[]).await;
    }
    database.close().await;
    server.start();
    let admin = server.admin();
    let mut after = admin.read(&list).await;
    for _ in 0..100 {
        if after == before {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        after = admin.read(&list).await;
    }
    assert_eq!(after, before);
}
