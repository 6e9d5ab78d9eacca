use super::*;
use crate::tables::stage::{Stage, at};

#[tokio::test]
async fn refresh_tokens_are_found_as_they_were_issued_until_they_expire() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let new = |hash: &[u8], second| RefreshToken {
            hash: hash.to_vec(),
            principal: stage.owner,
            epoch: 3,
            personal_token: None,
            secret: None,
            client_id: "docker".to_owned(),
            created_at: at(1),
            expires_at: at(second),
        };
        insert(&mut tx, &new(&[0, 255], 10)).await.unwrap();
        insert(&mut tx, &new(&[0, 254], 20)).await.unwrap();
        let found = find(&mut tx, &[0, 255], at(9)).await.unwrap().unwrap();
        assert_eq!((found.principal, found.epoch, found.created_at), (stage.owner, 3, at(1)));
        assert_eq!((found.client_id.as_str(), found.secret), ("docker", None));
        assert!(find(&mut tx, &[0, 255], at(10)).await.unwrap().is_none());
        assert!(find(&mut tx, &[0], at(0)).await.unwrap().is_none());
        assert_eq!(remove_expired(&mut tx, at(10)).await.unwrap(), 1);
        assert!(find(&mut tx, &[0, 254], at(10)).await.unwrap().is_some());
    })
    .await;
}
