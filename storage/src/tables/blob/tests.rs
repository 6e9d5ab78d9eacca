use super::*;
use crate::tables::stage::{Stage, at, blob as new_blob, linked, manifest, sha256};
use crate::tables::{held, link, tombstone};

#[tokio::test]
async fn a_blob_is_found_by_its_digest_and_read_only_where_it_is_linked() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (digest, key) = (sha256("x"), ObjectKey::fresh());
        let id = super::insert(&mut tx, &digest, 1, &key, at(5)).await.unwrap().unwrap();
        assert_eq!(super::insert(&mut tx, &digest, 1, &key, at(6)).await.unwrap(), None);
        let found = find(&mut tx, &digest).await.unwrap().unwrap();
        let expected = Blob { id, digest, size: 1, key, state: State::Ok, verified_at: at(5) };
        assert_eq!(found, expected);
        assert_eq!(hold(&mut tx, &found.digest).await.unwrap(), Some(expected.clone()));
        assert_eq!(lock(&mut tx, &found.digest).await.unwrap(), Some(expected.clone()));
        assert_eq!(super::linked(&mut tx, stage.repository, &found.digest).await.unwrap(), None);
        link::put(&mut tx, stage.project, stage.repository, id, at(9)).await.unwrap();
        let here = super::linked(&mut tx, stage.repository, &found.digest).await.unwrap();
        assert_eq!(here, Some(expected));
        for nothing in [find(&mut tx, &sha256("y")).await, lock(&mut tx, &sha256("y")).await] {
            assert_eq!(nothing.unwrap(), None);
        }
    })
    .await;
}

#[tokio::test]
async fn damage_is_noted_of_the_object_that_was_read_and_healed_by_another() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let id = new_blob(&mut tx, "x").await;
        let old = find(&mut tx, &sha256("x")).await.unwrap().unwrap();
        let (other, new) = (ObjectKey::fresh(), ObjectKey::fresh());
        set_state(&mut tx, id, &other, State::Missing, at(7)).await.unwrap();
        assert_eq!(find(&mut tx, &sha256("x")).await.unwrap().unwrap(), old);
        set_state(&mut tx, id, &old.key, State::Suspect, at(8)).await.unwrap();
        let suspect = find(&mut tx, &sha256("x")).await.unwrap().unwrap();
        assert_eq!((suspect.state, suspect.verified_at), (State::Suspect, old.verified_at));
        assert!(unverified_since(&mut tx, at(100), 10).await.unwrap().is_empty());
        replace_object(&mut tx, id, 2, &new, at(9)).await.unwrap();
        let healed = find(&mut tx, &sha256("x")).await.unwrap().unwrap();
        assert_eq!((healed.state, healed.size, healed.key), (State::Ok, 2, new.clone()));
        assert_eq!(healed.verified_at, at(9));
        set_state(&mut tx, id, &new, State::Ok, at(10)).await.unwrap();
        assert_eq!(find(&mut tx, &sha256("x")).await.unwrap().unwrap().verified_at, at(10));
    })
    .await;
}

#[tokio::test]
async fn blobs_are_walked_by_id_and_verified_longest_first() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        assert_eq!(total(&mut tx).await.unwrap(), (0, 0));
        let mut ids = Vec::new();
        for (text, second) in [("a", 30), ("bb", 10), ("ccc", 20)] {
            let key = ObjectKey::fresh();
            let size = text.len() as u64;
            let id = super::insert(&mut tx, &sha256(text), size, &key, at(second)).await;
            ids.push(id.unwrap().unwrap());
        }
        let of = |blobs: Vec<Blob>| blobs.into_iter().map(|blob| blob.id).collect::<Vec<_>>();
        assert_eq!(total(&mut tx).await.unwrap(), (3, 6));
        assert_eq!(of(walk(&mut tx, BlobId(0), 2).await.unwrap()), ids[..2]);
        assert_eq!(of(walk(&mut tx, ids[1], 2).await.unwrap()), ids[2..]);
        assert!(walk(&mut tx, ids[2], 2).await.unwrap().is_empty());
        let waiting = unverified_since(&mut tx, at(30), 10).await.unwrap();
        assert_eq!(of(waiting), [ids[1], ids[2]]);
        assert_eq!(of(unverified_since(&mut tx, at(31), 1).await.unwrap()), [ids[1]]);
    })
    .await;
}

#[tokio::test]
async fn a_key_has_one_owner_and_rebuilding_takes_none_from_it() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let key = ObjectKey::fresh();
        let new = rebuild(&mut tx, &sha256("x"), 1, &key, false, at(5)).await.unwrap();
        assert!(new.is_some());
        let found = find(&mut tx, &sha256("x")).await.unwrap().unwrap();
        assert_eq!(found.verified_at, at(0), "nobody has read it");
        assert_eq!(rebuild(&mut tx, &sha256("y"), 1, &key, true, at(5)).await.unwrap(), None);
        let second = ObjectKey::fresh();
        assert_eq!(rebuild(&mut tx, &sha256("x"), 1, &second, true, at(5)).await.unwrap(), None);
        assert!(rebuild(&mut tx, &sha256("z"), 1, &second, true, at(5)).await.unwrap().is_some());
        assert_eq!(find(&mut tx, &sha256("z")).await.unwrap().unwrap().verified_at, at(5));
        assert_eq!(owners_of_key(&mut tx, &key).await.unwrap(), ["blob"]);
        assert!(owners_of_key(&mut tx, &ObjectKey::fresh()).await.unwrap().is_empty());
        assert!(keys_owned_twice(&mut tx).await.unwrap().is_empty());
        tombstone::insert(&mut tx, &key, at(1), "epoch").await.unwrap();
        assert_eq!(owners_of_key(&mut tx, &key).await.unwrap(), ["blob", "tombstone"]);
        assert_eq!(keys_owned_twice(&mut tx).await.unwrap(), [key.as_str()]);
    })
    .await;
}

#[tokio::test]
async fn only_blobs_without_links_are_removed() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let free = new_blob(&mut tx, "free").await;
        let kept = new_blob(&mut tx, "kept").await;
        let held = linked(&mut tx, stage.project, stage.repository, "held", at(0)).await;
        let image = manifest(&mut tx, stage.repository, "image").await;
        held::hold_blobs(&mut tx, stage.repository, image, [held]).await.unwrap();
        let key = find(&mut tx, &sha256("free")).await.unwrap().unwrap().key;
        let gone = remove_unlinked(&mut tx, [free, held]).await.unwrap();
        assert_eq!(gone, [Gone { digest: sha256("free"), size: 4, key }]);
        assert!(remove_unlinked(&mut tx, []).await.unwrap().is_empty());
        assert!(find(&mut tx, &sha256("kept")).await.unwrap().is_some_and(|b| b.id == kept));
    })
    .await;
}
