use super::*;
use crate::tables::stage::{Stage, at, person, repository, sha256};

fn session(received: u64) -> Upload {
    Upload {
        id: UploadId::random(),
        key: ObjectKey::fresh(),
        received,
        layout: Layout::default(),
        algorithm: Algorithm::Sha256,
        hash_state: vec![0, 255],
    }
}

async fn open(stage: &Stage, tx: &mut Tx, expires: i64) -> (Upload, Owner) {
    let owner = Owner { repository: stage.repository, principal: stage.owner };
    let upload = session(0);
    insert(tx, &upload, owner, at(1), at(expires)).await.unwrap();
    (upload, owner)
}

#[tokio::test]
async fn a_session_is_its_owners_alone_and_moves_by_one_writer() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (upload, owner) = open(&stage, &mut tx, 10).await;
        let other = person(&mut tx, "other").await;
        let web = repository(&mut tx, stage.project, "team/web").await;
        for stranger in [Owner { principal: other, ..owner }, Owner { repository: web, ..owner }] {
            assert!(find(&mut tx, upload.id, stranger, at(5)).await.unwrap().is_none());
            assert_eq!(remove(&mut tx, upload.id, stranger).await.unwrap(), None);
        }
        assert!(find(&mut tx, upload.id, owner, at(10)).await.unwrap().is_none());
        let found = find(&mut tx, upload.id, owner, at(9)).await.unwrap().unwrap();
        assert_eq!(
            (found.key, found.received, found.hash_state),
            (upload.key.clone(), 0, vec![0, 255])
        );
        let layout = Layout::default();
        let to = Advance { received: 5, hash_state: &[7], layout: &layout };
        assert!(advance(&mut tx, &upload, to, at(20)).await.unwrap());
        assert!(!advance(&mut tx, &upload, to, at(20)).await.unwrap(), "it moved meanwhile");
        extend(&mut tx, upload.id, at(30)).await.unwrap();
        let found = find(&mut tx, upload.id, owner, at(29)).await.unwrap().unwrap();
        assert_eq!((found.received, found.hash_state), (5, vec![7]));
        assert_eq!(count_of(&mut tx, stage.owner).await.unwrap(), 1);
        assert_eq!(count_of(&mut tx, other).await.unwrap(), 0);
        let left = remove(&mut tx, upload.id, owner).await.unwrap().unwrap();
        assert_eq!(left, [Grave::from(&upload.key)]);
        assert_eq!(count_of(&mut tx, stage.owner).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_at_the_store_is_known_before_it_is_there() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (upload, owner) = open(&stage, &mut tx, 10).await;
        let first = note_multipart(&mut tx, upload.id, "m1", 8).await.unwrap();
        assert_eq!(first, Some(("m1".to_owned(), 8)));
        assert_eq!(note_multipart(&mut tx, upload.id, "m2", 9).await.unwrap(), first);
        assert_eq!(note_multipart(&mut tx, UploadId::random(), "m", 9).await.unwrap(), None);
        let (one, two) = (ObjectKey::fresh(), ObjectKey::fresh());
        assert_eq!(register_tail(&mut tx, &upload, &one).await.unwrap(), Registered::Yes(None));
        let second = register_tail(&mut tx, &upload, &two).await.unwrap();
        assert_eq!(second, Registered::Yes(Some(one.clone())), "its attempt came to no end");
        let parts = vec!["p1".to_owned(), "p\"2".to_owned()];
        let tail = |key: &ObjectKey| Layout {
            multipart: Some("m1".to_owned()),
            part_size: 8,
            parts: parts.clone(),
            tail: Some(key.clone()),
        };
        let layout = tail(&one);
        let to = Advance { received: 17, hash_state: &[], layout: &layout };
        assert!(!advance(&mut tx, &upload, to, at(10)).await.unwrap(), "it is not registered");
        let layout = tail(&two);
        let to = Advance { received: 17, hash_state: &[], layout: &layout };
        assert!(advance(&mut tx, &upload, to, at(10)).await.unwrap());
        let moved = find(&mut tx, upload.id, owner, at(9)).await.unwrap().unwrap();
        assert_eq!((&moved.layout, moved.received), (&layout, 17));
        assert_eq!(register_tail(&mut tx, &upload, &one).await.unwrap(), Registered::No);
        register_tail(&mut tx, &moved, &one).await.unwrap();
        let digest = sha256("x");
        assert!(claim(&mut tx, &moved, UNVERIFIED, "").await.unwrap());
        assert!(!claim(&mut tx, &moved, digest.as_str(), "").await.unwrap());
        assert!(claim(&mut tx, &moved, digest.as_str(), UNVERIFIED).await.unwrap());
        assert!(claim(&mut tx, &moved, digest.as_str(), "").await.unwrap());
        assert!(!claim(&mut tx, &upload, digest.as_str(), "").await.unwrap());
        let grave = |key: ObjectKey, multipart| Grave { key, multipart, digest: Some(sha256("x")) };
        let left = remove(&mut tx, upload.id, owner).await.unwrap().unwrap();
        let expected =
            [grave(upload.key, Some("m1".to_owned())), grave(two, None), grave(one, None)];
        assert_eq!(left, expected);
    })
    .await;
}

#[tokio::test]
async fn expired_sessions_are_closed_oldest_first_and_others_stay() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (late, _) = open(&stage, &mut tx, 20).await;
        let (early, _) = open(&stage, &mut tx, 10).await;
        let (open_still, _) = open(&stage, &mut tx, 99).await;
        assert_eq!(count_expired(&mut tx, at(9)).await.unwrap(), 0);
        assert_eq!(count_expired(&mut tx, at(20)).await.unwrap(), 2);
        let closed = remove_expired(&mut tx, at(20), 1).await.unwrap();
        assert_eq!(closed, [Grave::from(&early.key)]);
        assert_eq!(remove_expired(&mut tx, at(20), 9).await.unwrap(), [Grave::from(&late.key)]);
        assert!(remove_expired(&mut tx, at(20), 9).await.unwrap().is_empty());
        let left = remove_all_in(&mut tx, stage.repository).await.unwrap();
        assert_eq!(left, [Grave::from(&open_still.key)]);
        assert!(remove_all_in(&mut tx, stage.repository).await.unwrap().is_empty());
    })
    .await;
}
