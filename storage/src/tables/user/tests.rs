use super::*;
use crate::filter::{Operand, Test};
use crate::tables::stage::{Stage, at};

async fn account_of(tx: &mut Tx, name: &str, email: Option<&str>, sysadmin: bool) -> PrincipalId {
    let (source, realname, comment) = (Source::Db, "Änne", "");
    let password_hash = "hash";
    let new = NewUser { name, source, email, realname, comment, password_hash, sysadmin };
    insert(tx, new, at(1)).await.unwrap()
}

#[tokio::test]
async fn an_account_is_found_by_name_id_and_mail_and_changed_in_its_place() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let anna = account_of(&mut tx, "anna", Some("a@example.com"), false).await;
        account_of(&mut tx, "bert", None, false).await;
        account_of(&mut tx, "carl", None, false).await;
        let found = find(&mut tx, "anna").await.unwrap().unwrap();
        assert_eq!((found.principal.id, found.source), (anna, Source::Db));
        assert_eq!((found.realname.as_str(), found.principal.sysadmin), ("Änne", false));
        assert!(find(&mut tx, "ANNA").await.unwrap().is_none());
        assert_eq!(
            find_by_email(&mut tx, "a@example.com").await.unwrap().unwrap().principal.id,
            anna
        );
        set_password(&mut tx, anna, "other", at(2)).await.unwrap();
        set_profile(&mut tx, anna, None, "Anna", "text", at(3)).await.unwrap();
        let after = find_by_id(&mut tx, anna).await.unwrap().unwrap();
        assert_eq!((after.password_hash.as_str(), after.email), ("other", None));
        assert_eq!(after.principal.epoch, found.principal.epoch + 1);
        assert_eq!((after.comment.as_str(), after.updated_at), ("text", at(3)));
        assert_eq!(directory_name(&mut tx, anna).await.unwrap(), "");
        set_directory_name(&mut tx, anna, "uid=anna").await.unwrap();
        assert_eq!(directory_name(&mut tx, anna).await.unwrap(), "uid=anna");
        assert!(has_name_with(&mut tx, "an").await.unwrap());
        for nobody in ["An", "a_", "%", "annaa"] {
            assert!(!has_name_with(&mut tx, nobody).await.unwrap(), "{nobody}");
        }
        set_profile(&mut tx, anna, Some("b@example.com"), "", "", at(4)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let carl = find(&mut tx, "carl").await.unwrap().unwrap().principal.id;
        let taken = set_profile(&mut tx, carl, Some("b@example.com"), "", "", at(5)).await;
        assert!(matches!(taken, Err(Error::Conflict)), "{taken:?}");
        drop(tx);
        let mut tx = stage.begin().await;
        let nobody = set_password(&mut tx, PrincipalId(0), "x", at(5)).await;
        assert!(matches!(nobody, Err(Error::Reference)), "{nobody:?}");
    })
    .await;
}

#[tokio::test]
async fn administrators_are_counted_when_somebody_made_them_and_they_may_log_in() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        assert!(first_sysadmin(&mut tx).await.unwrap().is_none());
        let anna = account_of(&mut tx, "anna", None, false).await;
        let bert = account_of(&mut tx, "bert", None, true).await;
        assert_eq!(count_sysadmins(&mut tx).await.unwrap(), 1);
        set_directory_admin(&mut tx, anna, true).await.unwrap();
        let found = find(&mut tx, "anna").await.unwrap().unwrap();
        assert!(found.principal.sysadmin && found.directory_admin && !found.sysadmin_flag);
        assert_eq!(count_sysadmins(&mut tx).await.unwrap(), 1);
        assert_eq!(first_sysadmin(&mut tx).await.unwrap().unwrap().principal.id, bert);
        set_sysadmin(&mut tx, anna, true, at(2)).await.unwrap();
        assert_eq!(first_sysadmin(&mut tx).await.unwrap().unwrap().principal.id, anna);
        assert_eq!(count_sysadmins(&mut tx).await.unwrap(), 2);
        principal::set_disabled(&mut tx, anna, true, at(3)).await.unwrap();
        assert_eq!(count_sysadmins(&mut tx).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn accounts_are_listed_without_one_and_searched_in_any_case() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for name in ["Zoe", "anna", "b_b", "bob"] {
            ids.push(account_of(&mut tx, name, None, name == "bob").await);
        }
        let order = [("p.name", false)];
        let names = async |tx: &mut Tx, conditions: &[Condition]| {
            let found = list(tx, ids[1], conditions, &order, 9, 0).await.unwrap();
            let shown = i64::try_from(found.len()).unwrap();
            assert_eq!(count(tx, ids[1], conditions).await.unwrap(), shown);
            found.into_iter().map(|account| account.principal.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut tx, &[]).await, ["Zoe", "b_b", "bob"]);
        let containing =
            |part: &str| [Condition { column: "p.name", test: Test::Contains(part.to_owned()) }];
        assert_eq!(names(&mut tx, &containing("zO")).await, ["Zoe"]);
        assert_eq!(names(&mut tx, &containing("b_b")).await, ["b_b"]);
        let sysadmins = Test::Equals(Operand::Boolean(true));
        let sysadmins = [Condition { column: "u.sysadmin", test: sysadmins }];
        assert_eq!(names(&mut tx, &sysadmins).await, ["bob"]);
        let page = list(&mut tx, ids[1], &[], &[("p.name", true)], 1, 1).await.unwrap();
        assert_eq!(page[0].principal.name, "b_b");
    })
    .await;
}
