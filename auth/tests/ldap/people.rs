//! Who somebody is, and whether a password is theirs.

use roadstead_auth::ldap::{Error, Person, Scope, Settings};

use crate::slapd::{BASE, PASSWORD, PEOPLE, Slapd, user_dn};
use crate::{directory, people, with_groups};

#[tokio::test]
async fn the_right_password_says_who_somebody_is() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = directory(people(slapd.url()));
    let alice = Person {
        dn: user_dn("alice"),
        username: "alice".to_owned(),
        email: Some("alice@example.org".to_owned()),
        realname: "Alice Adams".to_owned(),
        groups: Vec::new(),
        admin: false,
    };
    for name in ["alice", "ALICE", " alice "] {
        let found = directory.authenticate(name, PASSWORD).await;
        assert_eq!(found, Ok(Some(alice.clone())), "{name:?}");
    }
    assert_eq!(directory.find_user("alice").await, Ok(Some(alice)));
    let carol = directory.find_user("carol").await.unwrap().expect("carol");
    assert_eq!(carol.email, None);
    slapd.set_password("alice", "Another-1");
    assert_eq!(directory.authenticate("alice", PASSWORD).await, Ok(None));
    assert!(directory.authenticate("alice", "Another-1").await.unwrap().is_some());
    slapd.delete_user("alice");
    assert_eq!(directory.authenticate("alice", "Another-1").await, Ok(None));
    assert_eq!(directory.find_user("alice").await, Ok(None));
}

#[tokio::test]
async fn a_wrong_or_missing_password_says_nothing() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = directory(people(slapd.url()));
    for password in ["", "wrong", "directory-only-1", "Directory-only-1\0", "\0", " "] {
        let found = directory.authenticate("alice", password).await;
        assert_eq!(found, Ok(None), "{password:?}");
    }
    // Somebody without a password cannot log in with any.
    slapd.modify(&format!("dn: {}\nchangetype: modify\ndelete: userPassword\n", user_dn("bob")));
    assert_eq!(directory.authenticate("bob", PASSWORD).await, Ok(None));
}

#[tokio::test]
async fn an_empty_password_is_refused_although_the_directory_would_take_it() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let taken = std::process::Command::new("ldapwhoami")
        .args(["-x", "-H", &slapd.url(), "-D", &user_dn("alice"), "-w", ""])
        .output()
        .expect("ldapwhoami runs");
    assert!(taken.status.success(), "this directory was to accept it: {taken:?}");
    let directory = directory(people(slapd.url()));
    assert_eq!(directory.authenticate("alice", "").await, Ok(None));
}

#[tokio::test]
async fn without_a_name_or_password_nobody_is_asked() {
    // Nobody listens there.
    let directory = directory(people("ldap://127.0.0.1:1".to_owned()));
    for (name, password) in
        [("alice", ""), ("", "x"), (" ", "x"), ("al\0ice", "x"), ("alice", "x\0"), ("", "")]
    {
        let found = directory.authenticate(name, password).await;
        assert_eq!(found, Ok(None), "{name:?} {password:?}");
    }
    assert_eq!(directory.find_user("").await, Ok(None));
    assert_eq!(directory.find_user("\0").await, Ok(None));
    assert!(directory.find_user("alice").await.is_err());
}

#[tokio::test]
async fn a_name_is_never_part_of_the_filter() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    // One entry only, so that every wildcard would be somebody.
    slapd.delete_user("bob");
    slapd.delete_user("carol");
    let directory = directory(people(slapd.url()));
    for name in [
        "*",
        "a*",
        "alice*",
        "*)(uid=*",
        "alice)(uid=*",
        "alice)(|(uid=*",
        "*)(|(objectClass=*",
        "alice))(|(uid=alice",
        r"\61lice",
        r"\2a",
        "alice)(&",
        "(",
        ")",
        "\\",
        "uid=alice",
        "alice,ou=people",
        "&",
        "|",
        "!",
        "=",
    ] {
        assert_eq!(directory.find_user(name).await, Ok(None), "{name}");
        assert_eq!(directory.authenticate(name, PASSWORD).await, Ok(None), "{name}");
        assert_eq!(directory.search_users(name).await, Ok(Vec::new()), "{name}");
    }
}

#[tokio::test]
async fn a_name_with_every_special_character_is_a_name() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let name = r#"o(d*d)\, "n+a;m<e>=#"#;
    slapd.modify(&format!(
        "dn: cn=odd,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: odd\nsn: odd\n\
         uid: {name}\nuserPassword: {PASSWORD}\n"
    ));
    let directory = directory(people(slapd.url()));
    let odd = directory.authenticate(name, PASSWORD).await.unwrap().expect("them");
    assert_eq!(odd.username, name);
}

#[tokio::test]
async fn a_name_that_two_have_is_nobodys() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    slapd.modify(&format!(
        "dn: cn=second,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: second\n\
         sn: second\nuid: mallory\nuid: bob\nuserPassword: Mallory-1\n"
    ));
    let directory = directory(people(slapd.url()));
    assert_eq!(directory.authenticate("bob", PASSWORD).await, Ok(None));
    assert_eq!(directory.authenticate("bob", "Mallory-1").await, Ok(None));
    assert_eq!(directory.find_user("bob").await, Ok(None));
    // Who gives themselves a second name is still only who they log in as.
    let mallory = directory.authenticate("mallory", "Mallory-1").await.unwrap().expect("them");
    assert_eq!(mallory.username, "mallory");
    assert!(directory.authenticate("alice", PASSWORD).await.unwrap().is_some());
}

#[tokio::test]
async fn the_filter_base_and_scope_say_who_counts() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let settings = people(slapd.url());
    let finds = async |settings: Settings| {
        directory(settings).find_user("alice").await.map(|person| person.is_some())
    };
    assert_eq!(finds(settings.clone()).await, Ok(true));
    let filtered = Settings { filter: "(sn=Brown)".to_owned(), ..settings.clone() };
    assert_eq!(finds(filtered).await, Ok(false));
    let unfiltered = Settings { filter: String::new(), ..settings.clone() };
    assert_eq!(finds(unfiltered).await, Ok(true));
    let scoped =
        |base: &str, scope| Settings { base_dn: base.to_owned(), scope, ..settings.clone() };
    assert_eq!(finds(scoped(PEOPLE, Scope::OneLevel)).await, Ok(true));
    assert_eq!(finds(scoped(PEOPLE, Scope::Base)).await, Ok(false));
    assert_eq!(finds(scoped(BASE, Scope::OneLevel)).await, Ok(false));
    assert_eq!(finds(scoped(BASE, Scope::Subtree)).await, Ok(true));
    assert_eq!(finds(scoped(&user_dn("alice"), Scope::Base)).await, Ok(true));
    let nowhere = finds(scoped("ou=nowhere,dc=example,dc=org", Scope::Subtree)).await;
    assert!(matches!(nowhere, Err(Error::Refused { code: 32, .. })), "{nowhere:?}");
}

#[tokio::test]
async fn people_are_found_by_a_part_of_their_name() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    slapd.modify(&format!(
        "dn: {}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Al\nsn: A\nuid: aalice\n",
        user_dn("aalice")
    ));
    let directory = directory(with_groups(slapd.url()));
    let names = async |part: &str| {
        let found = directory.search_users(part).await.unwrap();
        found.into_iter().map(|person| person.username).collect::<Vec<_>>()
    };
    assert_eq!(names("AL").await, ["aalice", "alice"]);
    assert_eq!(names("Alice").await, ["alice", "aalice"]);
    assert_eq!(names("bo").await, ["bob"]);
    assert_eq!(names("").await, ["aalice", "alice", "bob", "carol"]);
    assert_eq!(names("nobody").await, [""; 0]);
}
