use super::*;
use crate::Error;
use crate::tables::stage::{NOW, Stage, person};

#[tokio::test]
async fn a_group_is_the_one_that_its_directory_means_whatever_it_is_called_here() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let ldap = insert(&mut tx, "Devs", LDAP, "CN=Devs,DC=Example", NOW).await.unwrap();
        let same = ensure(&mut tx, "x", LDAP, "cn=devs,dc=example", NOW).await.unwrap();
        assert_eq!(same, ldap, "distinguished names have no case");
        let by_dn = find_by_dn(&mut tx, "cn=DEVS,dc=example").await.unwrap().unwrap();
        assert_eq!((by_dn.id, by_dn.name.as_str(), by_dn.kind), (ldap, "Devs", LDAP));
        let oidc = ensure(&mut tx, "Devs", OIDC, "", NOW).await.unwrap();
        assert_ne!(oidc, ldap);
        assert_eq!(ensure(&mut tx, "Devs", OIDC, "", NOW).await.unwrap(), oidc);
        assert_ne!(ensure(&mut tx, "devs", OIDC, "", NOW).await.unwrap(), oidc);
        assert!(rename(&mut tx, oidc, "people").await.unwrap());
        assert_eq!(find_of_provider(&mut tx, "Devs").await.unwrap(), Some(oidc));
        assert_eq!(find_of_provider(&mut tx, "people").await.unwrap(), None);
        assert_eq!(find(&mut tx, oidc).await.unwrap().unwrap().name, "people");
        assert!(!rename(&mut tx, stage.owner, "no group").await.unwrap());
        assert!(find(&mut tx, stage.owner).await.unwrap().is_none());
        let named = find_named(&mut tx, "Devs").await.unwrap();
        assert_eq!(named.iter().map(|g| g.id).collect::<Vec<_>>(), [ldap]);
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, "y", LDAP, "cn=devs,dc=example", NOW).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn groups_are_listed_by_name_and_searched_in_any_case() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        for (name, kind, dn) in [
            ("b_100%", HTTP, ""),
            ("Beta", OIDC, ""),
            ("alpha", LDAP, "cn=a"),
            ("b_1000", OIDC, ""),
        ] {
            insert(&mut tx, name, kind, dn, NOW).await.unwrap();
        }
        let named = async |tx: &mut Tx, filter| {
            let found = list(tx, filter, 10, 0).await.unwrap();
            assert_eq!(count(tx, filter).await.unwrap(), i64::try_from(found.len()).unwrap());
            found.into_iter().map(|group| group.name).collect::<Vec<_>>()
        };
        let all = Filter::default();
        let in_order = named(&mut tx, all).await;
        assert_eq!(in_order, ["Beta", "alpha", "b_100%", "b_1000"]);
        assert_eq!(list(&mut tx, all, 2, 1).await.unwrap()[0].name, "alpha");
        assert_eq!(named(&mut tx, Filter { name: "BETA", ..all }).await, ["Beta"]);
        assert_eq!(named(&mut tx, Filter { name: "100%", ..all }).await, ["b_100%"]);
        assert_eq!(named(&mut tx, Filter { name: "b_1", ..all }).await, ["b_100%", "b_1000"]);
        assert_eq!(named(&mut tx, Filter { kind: OIDC, ..all }).await, ["Beta", "b_1000"]);
        assert_eq!(named(&mut tx, Filter { ldap_dn: "cn=a", ..all }).await, ["alpha"]);
        assert!(named(&mut tx, Filter { ldap_dn: "cn", ..all }).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn memberships_are_replaced_kind_by_kind() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let user = person(&mut tx, "user").await;
        let one = insert(&mut tx, "one", OIDC, "", NOW).await.unwrap();
        let two = insert(&mut tx, "two", OIDC, "", NOW).await.unwrap();
        let ldap = insert(&mut tx, "three", LDAP, "cn=three", NOW).await.unwrap();
        replace_memberships(&mut tx, user, LDAP, &[ldap]).await.unwrap();
        replace_memberships(&mut tx, user, OIDC, &[two, one, two]).await.unwrap();
        assert_eq!(memberships(&mut tx, user, OIDC).await.unwrap(), [one, two]);
        replace_memberships(&mut tx, user, OIDC, &[two]).await.unwrap();
        assert_eq!(memberships(&mut tx, user, OIDC).await.unwrap(), [two]);
        replace_memberships(&mut tx, user, OIDC, &[]).await.unwrap();
        assert!(memberships(&mut tx, user, OIDC).await.unwrap().is_empty());
        assert_eq!(memberships(&mut tx, user, LDAP).await.unwrap(), [ldap]);
    })
    .await;
}
