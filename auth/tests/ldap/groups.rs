//! Which groups somebody is in.

use roadstead_auth::ldap::{Settings, canonical_dn};

use crate::slapd::{BASE, GROUPS, PASSWORD, PEOPLE, Slapd, group_dn, user_dn};
use crate::{devs, directory, people, with_groups};

#[tokio::test]
async fn groups_come_with_their_names_and_go_when_they_are_left() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = directory(with_groups(slapd.url()));
    let alice = directory.authenticate("alice", PASSWORD).await.unwrap().expect("alice");
    assert_eq!((alice.groups, alice.admin), (vec![devs()], false));
    slapd.remove_member("devs", "alice");
    let alice = directory.find_user("alice").await.unwrap().expect("alice");
    assert_eq!(alice.groups, []);
    let bob = directory.find_user("bob").await.unwrap().expect("bob");
    assert_eq!(bob.groups, [devs()]);
}

#[tokio::test]
async fn members_of_the_admin_group_are_administrators_while_they_are_in_it() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = directory(with_groups(slapd.url()));
    let is_admin = async |name: &str| directory.find_user(name).await.unwrap().unwrap().admin;
    assert!(is_admin("carol").await);
    assert!(!is_admin("alice").await);
    slapd.remove_member("admins", "carol");
    slapd.add_member("admins", "alice");
    assert!(!is_admin("carol").await);
    assert!(is_admin("alice").await);
    // Also when groups are not attached.
    let settings = Settings { group_search_filter: String::new(), ..with_groups(slapd.url()) };
    let alice = crate::directory(settings).find_user("alice").await.unwrap().unwrap();
    assert_eq!((alice.admin, alice.groups), (true, Vec::new()));
    // Without such a group nobody is.
    assert!(
        !crate::directory(people(slapd.url())).find_user("alice").await.unwrap().unwrap().admin
    );
}

#[tokio::test]
async fn only_groups_below_the_base_that_match_the_filter_count() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let group = |dn: &str| {
        format!(
            "dn: {dn}\nchangetype: add\nobjectClass: groupOfNames\ncn: other\n\
             description: Other\\, but named\nmember: {}\n\n",
            user_dn("alice")
        )
    };
    slapd.modify(&(group(&format!("cn=other,{PEOPLE}")) + &group(&group_dn("other"))));
    let settings = with_groups(slapd.url());
    let groups = async |settings: Settings| {
        let alice = directory(settings).find_user("alice").await.unwrap().unwrap();
        alice.groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    let mut names = groups(settings.clone()).await;
    names.sort();
    assert_eq!(names, ["devs", "other"]);
    let filtered = Settings { group_search_filter: "(cn=other)".to_owned(), ..settings.clone() };
    assert_eq!(groups(filtered).await, ["other"]);
    // Without a base of their own it is that of the people.
    let based = Settings { group_base_dn: String::new(), ..settings.clone() };
    assert_eq!(groups(based).await, ["other"]);
    // The name is what the settings say; a group that lacks it is called by its DN.
    let described = Settings { group_attribute_name: "description".to_owned(), ..settings.clone() };
    let mut names = groups(described).await;
    names.sort();
    assert_eq!(names, [r"Other\, but named".to_owned(), group_dn("devs")]);
    // Another attribute for memberships that nobody has.
    let elsewhere =
        Settings { group_membership_attribute: "seeAlso".to_owned(), ..settings.clone() };
    assert_eq!(groups(elsewhere).await, [""; 0]);
}

#[tokio::test]
async fn a_membership_that_leads_nowhere_keeps_nobody_out() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nadd: seeAlso\nseeAlso: {}\nseeAlso: {}\nseeAlso: {}\n",
        user_dn("alice"),
        group_dn("gone"),
        group_dn("devs"),
        user_dn("bob"),
    ));
    let settings = with_groups(slapd.url());
    let settings = Settings { group_membership_attribute: "seeAlso".to_owned(), ..settings };
    let alice = directory(settings).authenticate("alice", PASSWORD).await.unwrap().expect("alice");
    assert_eq!(alice.groups, [devs()]);
}

#[tokio::test]
async fn groups_are_found_by_name_and_by_dn() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = directory(with_groups(slapd.url()));
    assert_eq!(directory.search_groups("dev").await, Ok(vec![devs()]));
    assert_eq!(directory.search_groups("").await.unwrap().len(), 2);
    assert_eq!(directory.search_groups("*").await, Ok(Vec::new()));
    let spelled = format!("CN=Devs,  {}", GROUPS.to_uppercase());
    let found = directory.find_group(&spelled).await.unwrap().expect("the group");
    assert_eq!(canonical_dn(&found.dn), canonical_dn(&spelled));
    for dn in [&user_dn("alice"), &group_dn("gone"), "no name", "", BASE] {
        assert_eq!(directory.find_group(dn).await, Ok(None), "{dn}");
    }
}

#[tokio::test]
async fn a_question_can_be_asked_from_any_task() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let directory = directory(with_groups(slapd.url()));
    let asked = (0..20).map(|_| {
        let directory = directory.clone();
        tokio::spawn(async move { directory.authenticate("alice", PASSWORD).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().unwrap().expect("alice").groups, [devs()]);
    }
}
