use super::*;
use crate::tables::stage::{Stage, at};

#[tokio::test]
async fn newcomers_are_remembered_until_their_time_is_over() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        for (hash, second) in [(b"a", 10), (b"b", 20), (b"c", 30)] {
            insert(&mut tx, hash, &[0, 255, hash[0]], at(second)).await.unwrap();
        }
        assert_eq!(find(&mut tx, b"a", at(9)).await.unwrap(), Some(vec![0, 255, b'a']));
        assert_eq!(find(&mut tx, b"a", at(10)).await.unwrap(), None);
        assert_eq!(find(&mut tx, b"x", at(0)).await.unwrap(), None);
        remove(&mut tx, b"c").await.unwrap();
        assert_eq!(find(&mut tx, b"c", at(0)).await.unwrap(), None);
        assert_eq!(remove_expired(&mut tx, at(10)).await.unwrap(), 1);
        assert_eq!(remove_expired(&mut tx, at(10)).await.unwrap(), 0);
        assert!(find(&mut tx, b"b", at(10)).await.unwrap().is_some());
    })
    .await;
}
