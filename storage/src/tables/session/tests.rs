use super::*;
use crate::tables::stage::{Stage, at, person};

async fn begin(
    tx: &mut Tx,
    hash: &[u8],
    principal: PrincipalId,
    second: i64,
    token: Option<&[u8]>,
) {
    let new = Session {
        hash: hash.to_vec(),
        principal,
        epoch: 2,
        address: "192.0.2.1".to_owned(),
        user_agent: "Grüße/1".to_owned(),
        id_token: token.map(<[u8]>::to_vec),
        created_at: at(second),
        expires_at: at(second + 10),
    };
    insert(tx, &new).await.unwrap();
}

#[tokio::test]
async fn sessions_end_by_themselves_unless_they_are_used() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        begin(&mut tx, &[0, 255], stage.owner, 1, None).await;
        begin(&mut tx, b"b", stage.owner, 5, None).await;
        let found = find(&mut tx, &[0, 255], at(10)).await.unwrap().unwrap();
        assert_eq!((found.epoch, found.user_agent.as_str()), (2, "Grüße/1"));
        assert!(find(&mut tx, &[0, 255], at(11)).await.unwrap().is_none());
        let newest = of_principal(&mut tx, stage.owner, at(10)).await.unwrap();
        assert_eq!(newest.iter().map(|s| s.created_at).collect::<Vec<_>>(), [at(5), at(1)]);
        extend(&mut tx, &[0, 255], at(30)).await.unwrap();
        assert_eq!(of_principal(&mut tx, stage.owner, at(20)).await.unwrap().len(), 1);
        assert_eq!(remove_expired(&mut tx, at(15)).await.unwrap(), 1);
        assert!(remove(&mut tx, &[0, 255]).await.unwrap());
        assert!(!remove(&mut tx, &[0, 255]).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn sessions_of_the_provider_are_told_from_others_and_sealed_anew() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let other = person(&mut tx, "other").await;
        begin(&mut tx, b"plain", stage.owner, 1, None).await;
        begin(&mut tx, b"mine", stage.owner, 1, Some(&[0, 1])).await;
        begin(&mut tx, b"other", other, 1, Some(b"x")).await;
        reseal(&mut tx, b"mine", &[9, 0]).await.unwrap();
        let mut kept = sealed(&mut tx).await.unwrap();
        kept.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            (b"mine".to_vec(), stage.owner, vec![9, 0]),
            (b"other".to_vec(), other, b"x".to_vec()),
        ];
        assert_eq!(kept, expected);
        remove_of_provider(&mut tx, stage.owner).await.unwrap();
        assert_eq!(sealed(&mut tx).await.unwrap(), expected[1..]);
        assert!(find(&mut tx, b"plain", at(2)).await.unwrap().is_some());
    })
    .await;
}
