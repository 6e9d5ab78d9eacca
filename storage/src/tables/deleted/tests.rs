use super::*;
use crate::filter::{Operand, Test};
use crate::tables::stage::{
    self, Stage, at, index, linked, manifest as put_manifest, referrer, sha256,
};
use crate::tables::undelete::{self, Rules};
use crate::tables::{
    blob, held, label, manifest, project, recount, repository as rows, tag, usage,
};
use crate::{Error, filter::Condition};

const UNTIL: Timestamp = Timestamp(100_000_000);

fn deletion(stage: &Stage, counted: bool) -> Deletion<'static> {
    Deletion {
        project: stage.project,
        repository: "team/app",
        by: "owner",
        reason: "a test",
        keeping: Keeping { until: UNTIL, counted },
        now: at(10),
    }
}

async fn used(conn: &mut Conn, project: ProjectId) -> i64 {
    usage::find(conn, project).await.unwrap().unwrap().used
}

/// A manifest of a blob, both of five bytes, with a tag and a label, counted as they are.
async fn artifact(stage: &Stage, tx: &mut Tx) -> (ManifestId, BlobId, i64) {
    let blob = linked(tx, stage.project, stage.repository, "bytes", at(1)).await;
    let id = put_manifest(tx, stage.repository, "image").await;
    held::hold_blobs(tx, stage.repository, id, [blob]).await.unwrap();
    usage::add(tx, stage.project, 5).await.unwrap();
    stage::tag(tx, stage.repository, "v1", id).await;
    let text = label::Text { name: "l", description: "", color: "" };
    let label = label::insert(tx, Some(stage.project), text, at(1)).await.unwrap();
    assert!(label::attach(tx, stage.project, id, label).await.unwrap());
    (id, blob, label)
}

/// Deletes the artifact as a whole; what is linked and held otherwise is gone.
async fn delete(stage: &Stage, tx: &mut Tx, id: ManifestId, counted: bool) {
    let deletion = deletion(stage, counted);
    keep(tx, Which::Some(&[id]), &deletion).await.unwrap();
    for name in tag::remove_all_of(tx, id).await.unwrap().unwrap() {
        keep_tag(tx, &name, sha256("image").as_str(), Some(id.0), &deletion).await.unwrap();
    }
    manifest::remove(tx, id).await.unwrap();
    if !counted {
        usage::add(tx, stage.project, -5).await.unwrap();
    }
    link::remove_all_in(tx, stage.project, stage.repository).await.unwrap();
}

#[tokio::test]
async fn what_is_kept_has_its_bytes_until_it_ends_and_counts_if_it_is_to() {
    crate::testing::on_both_engines(async || {
        for counted in [false, true] {
            let stage = Stage::new().await;
            let mut tx = stage.begin().await;
            let (id, blob_id, label) = artifact(&stage, &mut tx).await;
            delete(&stage, &mut tx, id, counted).await;
            assert_eq!(used(&mut tx, stage.project).await, if counted { 10 } else { 0 });
            let kept = if counted { vec![(stage.project, 10)] } else { Vec::new() };
            assert!(link::miscounted(&mut tx).await.unwrap().is_empty(), "{kept:?}");
            assert!(recount::miscounted_blobs(&mut tx).await.unwrap().is_empty());
            recount::project(&mut tx, stage.project).await.unwrap();
            assert_eq!(used(&mut tx, stage.project).await, if counted { 10 } else { 0 });
            // The bytes of a blob without a link stay, and the key forbids to think otherwise.
            assert_eq!(blob::remove_unlinked(&mut tx, [blob_id]).await.unwrap(), []);
            assert_eq!(holders_of(&mut tx, [blob_id]).await.unwrap(), [(blob_id, id.0)]);
            assert_eq!(blobs_of(&mut tx, id.0).await.unwrap(), [blob_id]);
            assert_eq!(held_by(&mut tx, &[id.0]).await.unwrap(), [blob_id]);
            assert_eq!(labels_of(&mut tx, id.0).await.unwrap(), [label]);
            let found = take_artifact(&mut tx, stage.project, id.0).await.unwrap().unwrap();
            assert_eq!((found.bytes, found.repository), (b"image".to_vec(), "team/app".to_owned()));
            tx.commit().await.unwrap();
            let mut tx = stage.begin().await;
            let query = tx.query("DELETE FROM blob WHERE id = $1").bind(blob_id.0);
            assert!(matches!(query.execute().await, Err(Error::Reference)));
            drop(tx);
            let mut tx = stage.begin().await;
            assert!(!has_due(&mut tx, at(99)).await.unwrap());
            assert!(has_due(&mut tx, UNTIL).await.unwrap());
            assert!(ending(&mut tx, at(99), 0, 9).await.unwrap().is_empty());
            assert_eq!(ending(&mut tx, UNTIL, 0, 9).await.unwrap(), [(id.0, 5)]);
            assert_eq!(blobs_held(&mut tx, None, 9).await.unwrap(), [blob_id]);
            assert_eq!(blobs_held(&mut tx, Some(blob_id), 9).await.unwrap(), []);
            assert_eq!(without_link(&mut tx, [blob_id]).await.unwrap(), [blob_id]);
            assert_eq!(count_up_to(&mut tx, 9).await.unwrap(), 1);
            assert!(ending(&mut tx, UNTIL, id.0, 9).await.unwrap().is_empty());
            assert_eq!(due(&mut tx, at(99), 9).await.unwrap(), []);
            let ended = due(&mut tx, UNTIL, 9).await.unwrap();
            end(&mut tx, &ended, UNTIL).await.unwrap();
            assert_eq!(used(&mut tx, stage.project).await, 0);
            assert_eq!(find_artifact(&mut tx, stage.project, id.0).await.unwrap(), None);
            assert_eq!(count_tags(&mut tx, stage.project, &[]).await.unwrap(), 0, "with it");
            let entries = gc_queue::due(&mut tx, gc_queue::Kind::Blob, UNTIL, 9).await.unwrap();
            assert_eq!(entries.len(), 1, "collection looks at the blob");
            assert_eq!(blob::remove_unlinked(&mut tx, [blob_id]).await.unwrap().len(), 1);
            tx.commit().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn lists_show_what_a_project_deleted_and_nothing_of_another() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (id, ..) = artifact(&stage, &mut tx).await;
        delete(&stage, &mut tx, id, false).await;
        let other = stage::project(&mut tx, "other", stage.owner, false).await;
        let (page, order) = ((9, 0), [("a.id", true)]);
        let found = list_artifacts(&mut tx, stage.project, &[], &order, page).await.unwrap();
        assert_eq!(found.len(), 1);
        let Artifact { repository, digest, deleted_by, kept_until, deleted_at, reason, .. } =
            &found[0];
        assert_eq!((repository.as_str(), deleted_by.as_str()), ("team/app", "owner"));
        assert_eq!((digest.as_str(), reason.as_str()), (sha256("image").as_str(), "a test"));
        assert_eq!((*deleted_at, *kept_until), (at(10), UNTIL));
        assert_eq!(list_artifacts(&mut tx, other, &[], &order, page).await.unwrap(), []);
        let by = |name: &str| {
            let test = Test::Equals(Operand::Text(name.to_owned()));
            [Condition { column: "a.deleted_by", test }]
        };
        assert_eq!(count_artifacts(&mut tx, stage.project, &by("owner")).await.unwrap(), 1);
        assert_eq!(count_artifacts(&mut tx, stage.project, &by("me")).await.unwrap(), 0);
        assert_eq!(find_artifact(&mut tx, other, id.0).await.unwrap(), None);
        assert_eq!(
            find_artifact(&mut tx, stage.project, id.0).await.unwrap().as_ref(),
            found.first()
        );
        assert_eq!(tags_of(&mut tx, &[id.0]).await.unwrap()[&id.0], ["v1"]);
        let order = [("t.id", true)];
        let tags = list_tags(&mut tx, stage.project, &[], &order, page).await.unwrap();
        assert_eq!((tags.len(), tags[0].artifact, tags[0].name.as_str()), (1, Some(id.0), "v1"));
        assert_eq!(find_tag(&mut tx, other, tags[0].id).await.unwrap(), None);
        assert_eq!(
            find_tag(&mut tx, stage.project, tags[0].id).await.unwrap().as_ref(),
            tags.first()
        );
        let team = stage.project;
        let digest = sha256("image");
        let newest = newest_artifact(&mut tx, team, "team/app", digest.as_str()).await.unwrap();
        assert_eq!(newest, Some(id.0));
        assert_eq!(
            newest_artifact(&mut tx, other, "team/app", digest.as_str()).await.unwrap(),
            None
        );
        assert!(remove_tag(&mut tx, tags[0].id).await.unwrap());
        assert!(!remove_tag(&mut tx, tags[0].id).await.unwrap());
        assert_eq!(release(&mut tx, other, id.0).await.unwrap(), None);
        assert!(release(&mut tx, team, id.0).await.unwrap().is_some());
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_something_deleted_names_is_needed_as_long_as_that_is_kept() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (app, mut tx) = (stage.repository, stage.begin().await);
        let child = put_manifest(&mut tx, app, "child").await;
        let parent = index(&mut tx, app, "parent").await;
        held::hold_children(&mut tx, parent, [child]).await.unwrap();
        let signature = referrer(&mut tx, app, "signature", "parent").await;
        let tagged = put_manifest(&mut tx, app, "tagged").await;
        let other = put_manifest(&mut tx, app, "other").await;
        let all = [child, signature, tagged, other];
        assert!(needed(&mut tx, &all).await.unwrap().is_empty());
        keep(&mut tx, Which::Some(&[parent]), &deletion(&stage, false)).await.unwrap();
        let mut later = deletion(&stage, false);
        later.keeping.until = at(200);
        keep_tag(&mut tx, "v1", sha256("tagged").as_str(), None, &later).await.unwrap();
        let expected = HashMap::from([(child, UNTIL), (signature, UNTIL), (tagged, at(200))]);
        assert_eq!(needed(&mut tx, &all).await.unwrap(), expected);
        assert_eq!(children_of(&mut tx, parent.0).await.unwrap(), [sha256("child").as_str()]);
        keep(&mut tx, Which::Some(&[signature]), &deletion(&stage, false)).await.unwrap();
        let of = sha256("parent");
        let found = belonging_to(&mut tx, stage.project, "team/app", of.as_str(), 9).await.unwrap();
        assert_eq!(found, [signature.0]);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_repository_is_kept_with_all_that_is_in_it() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let (id, ..) = artifact(&stage, &mut tx).await;
        rows::set_description(&mut tx, app, "what for", at(5)).await.unwrap();
        let deletion = deletion(&stage, false);
        let whole = keep_repository(&mut tx, app, &deletion).await.unwrap().unwrap();
        keep(&mut tx, Which::AllIn(app, whole), &deletion).await.unwrap();
        keep_tags_of_repository(&mut tx, app, &deletion).await.unwrap();
        let order = [("d.id", true)];
        let found = list_repositories(&mut tx, team, &[], &order, (9, 0)).await.unwrap();
        assert_eq!(count_repositories(&mut tx, team, &[]).await.unwrap(), 1);
        assert_eq!((found[0].name.as_str(), found[0].artifacts), ("team/app", 1));
        assert_eq!(found[0].description, "what for");
        assert_eq!(find_repository(&mut tx, team, whole).await.unwrap().as_ref(), found.first());
        assert_eq!(of_repository(&mut tx, whole).await.unwrap(), [id.0]);
        assert_eq!(tags_of(&mut tx, &[id.0]).await.unwrap()[&id.0], ["v1"]);
        assert_eq!(forget_names(&mut tx, at(99), 9).await.unwrap(), 0);
        assert_eq!(forget_names(&mut tx, UNTIL, 9).await.unwrap(), 2);
        assert!(!remove_repository(&mut tx, whole).await.unwrap());
        let kept = find_artifact(&mut tx, team, id.0).await.unwrap().unwrap();
        assert_eq!(kept.deleted_repository, None, "it outlives the name");
        put_labels(&mut tx, id, &[1, 2, 3]).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_project_says_how_long_and_takes_what_is_kept_along() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, mut tx) = (stage.project, stage.begin().await);
        let week = std::time::Duration::from_hours(7 * 24);
        let now = at(1000);
        let keeping = undelete::keeping(&mut tx, team, week, now).await.unwrap();
        assert_eq!(keeping, Some(Keeping { until: now.after(week), counted: false }));
        assert_eq!(undelete::find(&mut tx, team).await.unwrap(), Rules::default());
        let (id, blob_id, _) = artifact(&stage, &mut tx).await;
        delete(&stage, &mut tx, id, true).await;
        let rules = Rules { days: Some(1), counted: true };
        undelete::set(&mut tx, team, rules, week, now).await.unwrap();
        assert_eq!(undelete::find(&mut tx, team).await.unwrap(), rules);
        let found = find_artifact(&mut tx, team, id.0).await.unwrap().unwrap();
        assert_eq!(found.kept_until, at(10 + 24 * 3600), "a day after it was deleted");
        undelete::set(&mut tx, team, Rules { days: Some(0), counted: false }, week, now)
            .await
            .unwrap();
        assert_eq!(undelete::keeping(&mut tx, team, week, now).await.unwrap(), None);
        assert!(has_due(&mut tx, now).await.unwrap());
        rows::remove(&mut tx, stage.repository).await.unwrap();
        crate::tables::binding::remove_all_in(&mut tx, team).await.unwrap();
        assert!(project::remove(&mut tx, team, now).await.unwrap());
        assert_eq!(blob::remove_unlinked(&mut tx, [blob_id]).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
    })
    .await;
}
