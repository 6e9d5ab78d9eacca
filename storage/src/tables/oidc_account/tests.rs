use super::*;
use crate::Error;
use crate::tables::stage::{Stage, at, person};

const ISSUER: &str = "https://issuer.example";

async fn known(tx: &mut Tx, principal: PrincipalId, subject: &str) -> Result<()> {
    let new = OidcAccount {
        principal,
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        secret: vec![0, 159, 255],
        refresh_token: None,
        checked_at: at(10),
        ask_again_at: at(0),
        created_at: at(1),
        updated_at: at(2),
    };
    insert(tx, &new).await
}

async fn found(tx: &mut Tx, principal: PrincipalId) -> OidcAccount {
    find(tx, principal).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_providers_person_has_one_account_and_sealed_bytes_stay_as_they_are() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let (one, two) = (person(&mut tx, "one").await, person(&mut tx, "two").await);
        known(&mut tx, two, "s2").await.unwrap();
        known(&mut tx, one, "s1").await.unwrap();
        assert!(find(&mut tx, stage.owner).await.unwrap().is_none());
        assert_eq!(find_subject(&mut tx, ISSUER, "s1").await.unwrap().unwrap().principal, one);
        assert!(find_subject(&mut tx, ISSUER, "S1").await.unwrap().is_none(), "case counts");
        assert!(find_subject(&mut tx, "https://other", "s1").await.unwrap().is_none());
        let row = found(&mut tx, one).await;
        assert_eq!((row.secret, row.refresh_token), (vec![0, 159, 255], None));
        assert_eq!((row.created_at, row.updated_at, row.checked_at), (at(1), at(2), at(10)));
        set_secret(&mut tx, one, b"new", at(20)).await.unwrap();
        let row = found(&mut tx, one).await;
        assert_eq!((row.secret, row.updated_at), (b"new".to_vec(), at(20)));
        reseal(&mut tx, one, b"a", Some(b"b")).await.unwrap();
        let row = found(&mut tx, one).await;
        assert_eq!((row.secret, row.refresh_token), (b"a".to_vec(), Some(b"b".to_vec())));
        let everybody = all(&mut tx).await.unwrap();
        assert_eq!(everybody.iter().map(|row| row.principal).collect::<Vec<_>>(), [one, two]);
        forget_refresh_token(&mut tx, one).await.unwrap();
        assert_eq!(found(&mut tx, one).await.refresh_token, None);
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = known(&mut tx, stage.owner, "s1").await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn one_asks_the_provider_at_a_time_and_a_login_overrules_what_it_hears() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let one = person(&mut tx, "one").await;
        known(&mut tx, one, "s1").await.unwrap();
        assert!(claim(&mut tx, one, at(50), at(20)).await.unwrap());
        assert!(!claim(&mut tx, one, at(60), at(30)).await.unwrap());
        assert!(note_answer(&mut tx, one, at(50), Some(b"next"), at(21)).await.unwrap());
        let row = found(&mut tx, one).await;
        assert_eq!(row.refresh_token.as_deref(), Some(&b"next"[..]));
        assert_eq!((row.checked_at, row.ask_again_at), (at(21), at(0)));
        assert!(!note_answer(&mut tx, one, at(50), None, at(22)).await.unwrap());
        assert!(claim(&mut tx, one, at(70), at(40)).await.unwrap());
        note_silence(&mut tx, one, at(69), at(99)).await.unwrap();
        assert_eq!(found(&mut tx, one).await.ask_again_at, at(70), "somebody else's claim");
        note_silence(&mut tx, one, at(70), at(80)).await.unwrap();
        assert_eq!(found(&mut tx, one).await.ask_again_at, at(80));
        note_login(&mut tx, one, None, at(75)).await.unwrap();
        let row = found(&mut tx, one).await;
        assert_eq!(row.refresh_token.as_deref(), Some(&b"next"[..]), "the old one is left");
        assert_eq!((row.checked_at, row.ask_again_at), (at(75), at(0)));
        note_login(&mut tx, one, Some(b"newer"), at(76)).await.unwrap();
        assert_eq!(found(&mut tx, one).await.refresh_token.as_deref(), Some(&b"newer"[..]));
        doubt(&mut tx, one, at(90)).await.unwrap();
        assert_eq!(found(&mut tx, one).await.checked_at, at(76), "doubts are never newer");
        doubt(&mut tx, one, at(5)).await.unwrap();
        assert_eq!(found(&mut tx, one).await.checked_at, at(5));
    })
    .await;
}
