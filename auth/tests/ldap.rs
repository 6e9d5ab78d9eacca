//! The LDAP client against a real directory, and against what is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unreachable_pub)]
#[path = "../../tests/src/slapd.rs"]
mod slapd;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use roadstead_auth::ldap::{Directory, Error, Group, Person, Scope, Settings, canonical_dn};
use slapd::{BASE, GROUPS, PASSWORD, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, Slapd, group_dn, user_dn};

/// Settings for the people of the test directory, without groups.
fn people(url: String) -> Settings {
    Settings {
        url,
        search_dn: SEARCH_DN.to_owned(),
        search_password: SEARCH_PASSWORD.to_owned(),
        base_dn: PEOPLE.to_owned(),
        filter: "objectClass=inetOrgPerson".to_owned(),
        uid: "uid".to_owned(),
        ..Settings::default()
    }
}

/// The same with groups.
fn with_groups(url: String) -> Settings {
    Settings {
        group_base_dn: GROUPS.to_owned(),
        group_search_filter: "objectClass=groupOfNames".to_owned(),
        group_attribute_name: "cn".to_owned(),
        group_admin_dn: format!("CN=Admins, {}", GROUPS.to_uppercase()),
        ..people(url)
    }
}

fn directory(settings: Settings) -> Directory {
    Directory::new(settings).expect("settings that can be used")
}

fn devs() -> Group {
    Group { dn: group_dn("devs"), name: "devs".to_owned() }
}

/// A server that sends `answer` to the first thing that each client says, and then hears it out;
/// what each client said comes out of the channel.
fn answering(answer: &'static [u8]) -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let (heard, hear) = channel();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut said = vec![0; 1024];
            let length = stream.read(&mut said).unwrap_or(0);
            said.truncate(length);
            let _ = stream.write_all(answer);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut said);
            if heard.send(said).is_err() {
                return;
            }
        }
    });
    (url, hear)
}

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
    let alice = self::directory(settings).find_user("alice").await.unwrap().unwrap();
    assert_eq!((alice.admin, alice.groups), (true, Vec::new()));
    // Without such a group nobody is.
    assert!(!self::directory(people(slapd.url())).find_user("alice").await.unwrap().unwrap().admin);
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
    let named = Settings { group_attribute_name: "description".to_owned(), ..settings.clone() };
    let mut names = groups(named).await;
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
async fn people_are_found_by_a_part_of_their_name() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    slapd.modify(&format!(
        "dn: {}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Al\nsn: A\nuid: al\n",
        user_dn("al")
    ));
    let directory = directory(with_groups(slapd.url()));
    let names = async |part: &str| {
        let found = directory.search_users(part).await.unwrap();
        found.into_iter().map(|person| person.username).collect::<Vec<_>>()
    };
    assert_eq!(names("AL").await, ["al", "alice"]);
    assert_eq!(names("li").await, ["alice"]);
    assert_eq!(names("").await, ["al", "alice", "bob", "carol"]);
    assert_eq!(names("nobody").await, [""; 0]);
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
async fn tls_is_trusted_when_its_issuer_is() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    for url in [slapd.tls_url(), slapd.starttls_url()] {
        let known = Settings { ca_certificate: Some(slapd.certificate()), ..people(url.clone()) };
        let found = directory(known).authenticate("alice", PASSWORD).await;
        assert!(found.as_ref().is_ok_and(Option::is_some), "{url} {found:?}");
        let unknown = directory(people(url.clone())).ping().await;
        assert!(matches!(unknown, Err(Error::Tls { .. })), "{url} {unknown:?}");
        let unverified = Settings { verify_cert: false, ..people(url.clone()) };
        let found = directory(unverified).authenticate("alice", PASSWORD).await;
        assert!(found.as_ref().is_ok_and(Option::is_some), "{url} {found:?}");
    }
}

#[tokio::test]
async fn another_issuer_or_another_host_is_not_trusted() {
    let (Some(slapd), Some(other)) = (Slapd::unless_quick(), Slapd::unless_quick()) else { return };
    for url in [slapd.tls_url(), slapd.starttls_url()] {
        let wrong = Settings { ca_certificate: Some(other.certificate()), ..people(url.clone()) };
        let refused = directory(wrong).authenticate("alice", PASSWORD).await;
        assert!(matches!(refused, Err(Error::Tls { .. })), "{url} {refused:?}");
        // The certificate is for 127.0.0.1, not for that name of it.
        let named = url.replace("127.0.0.1", "localhost");
        let renamed = Settings { ca_certificate: Some(slapd.certificate()), ..people(named) };
        let refused = directory(renamed).authenticate("alice", PASSWORD).await;
        assert!(matches!(refused, Err(Error::Tls { .. })), "{url} {refused:?}");
    }
}

#[tokio::test]
async fn a_directory_that_refuses_starttls_is_sent_no_password() {
    // The answer to the request for StartTLS: unavailable (52).
    let (url, heard) = answering(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00");
    let url = url.replace("ldap://", "ldap+starttls://");
    let refused = directory(people(url)).authenticate("alice", PASSWORD).await;
    assert!(matches!(refused, Err(Error::Refused { code: 52, .. })), "{refused:?}");
    let said = heard.recv_timeout(Duration::from_secs(10)).expect("one connection");
    let said = String::from_utf8_lossy(&said);
    // The request for StartTLS, by its number (RFC 4511, section 4.14), and nothing more.
    assert!(said.contains("1.3.6.1.4.1.1466.20037"), "{said}");
    assert!(!said.contains(SEARCH_PASSWORD) && !said.contains(SEARCH_DN), "{said}");
    assert!(heard.try_recv().is_err(), "no second connection");
}

#[tokio::test]
async fn the_wrong_search_account_is_an_error_that_says_so() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let right = people(slapd.url());
    assert_eq!(directory(right.clone()).ping().await, Ok(()));
    let wrong = Settings { search_password: "Not-it-1".to_owned(), ..right.clone() };
    let wrong = directory(wrong);
    let refused = wrong.ping().await.expect_err("a refusal");
    assert!(matches!(refused, Error::SearchAccount { .. }), "{refused:?}");
    assert!(refused.to_string().contains("ldap_search_password"), "{refused}");
    assert_eq!(wrong.authenticate("alice", PASSWORD).await, Err(refused.clone()));
    for text in [refused.to_string(), format!("{refused:?}"), format!("{wrong:?}")] {
        assert!(!text.contains("Not-it-1") && !text.contains(PASSWORD), "{text}");
    }
    // Nobody may search here without an account.
    let nobody = Settings { search_dn: String::new(), search_password: String::new(), ..right };
    let refused = directory(nobody).find_user("alice").await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn referrals_are_not_followed() {
    let Some(slapd) = Slapd::unless_quick() else { return };
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = trap.local_addr().unwrap();
    slapd.modify(&format!(
        "dn: ou=elsewhere,{PEOPLE}\nchangetype: add\nobjectClass: referral\n\
         objectClass: extensibleObject\nou: elsewhere\nref: ldap://{address}/dc=other\n"
    ));
    let here = directory(people(slapd.url()));
    assert!(here.authenticate("alice", PASSWORD).await.unwrap().is_some());
    assert_eq!(here.search_users("").await.unwrap().len(), 3);
    let base_dn = format!("ou=elsewhere,{PEOPLE}");
    let away = directory(Settings { base_dn, ..people(slapd.url()) });
    let refused = away.authenticate("alice", PASSWORD).await;
    assert!(matches!(refused, Err(Error::Refused { code: 10, .. })), "{refused:?}");
    assert_eq!(trap.accept().expect_err("nobody came").kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_directory_that_never_answers_costs_no_more_than_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for scheme in ["ldap", "ldaps", "ldap+starttls"] {
        let url = format!("{scheme}://{address}");
        let settings = Settings { timeout: Duration::from_millis(300), ..people(url) };
        let since = Instant::now();
        let refused = directory(settings).authenticate("alice", PASSWORD).await;
        assert!(matches!(refused, Err(Error::Timeout { .. })), "{scheme} {refused:?}");
        assert!(since.elapsed() < Duration::from_secs(3), "{scheme} {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_unreachable() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["ldap", "ldaps", "ldap+starttls"] {
        let refused = directory(people(format!("{scheme}://{gone}"))).ping().await;
        assert!(matches!(refused, Err(Error::Unreachable { .. })), "{scheme} {refused:?}");
    }
}

#[tokio::test]
async fn answers_that_are_no_ldap_are_errors_and_nothing_worse() {
    let answers: [(&[u8], bool); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        // The result of a bind without anything in it.
        (b"\x30\x05\x02\x01\x01\x61\x00", true),
        // The same with texts that are no UTF-8.
        (b"\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x00\x04\x01\xff\x04\x01\xff", true),
        // An empty message, and none at all.
        (b"\x30\x00", false),
        (b"", false),
    ];
    for (answer, malformed) in answers {
        let (url, _heard) = answering(answer);
        let since = Instant::now();
        let refused = directory(people(url)).authenticate("alice", PASSWORD).await;
        let refused = refused.expect_err("an error");
        assert_eq!(matches!(refused, Error::Malformed { .. }), malformed, "{answer:?} {refused}");
        assert!(since.elapsed() < Duration::from_secs(3), "{answer:?} {:?}", since.elapsed());
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

#[test]
fn settings_that_cannot_be_used_are_named() {
    let sound = with_groups("ldap://127.0.0.1".to_owned());
    assert!(Directory::new(sound.clone()).is_ok());
    let text = str::to_owned;
    let wrong = [
        ("ldap_url", Settings { url: text("http://x"), ..sound.clone() }),
        ("ldap_base_dn", Settings { base_dn: text(""), ..sound.clone() }),
        ("ldap_base_dn", Settings { base_dn: text("people"), ..sound.clone() }),
        ("ldap_filter", Settings { filter: text("(a=b)(c=d)"), ..sound.clone() }),
        ("ldap_uid", Settings { uid: text("uid=*)(cn"), ..sound.clone() }),
        ("ldap_timeout", Settings { timeout: Duration::ZERO, ..sound.clone() }),
        ("ldap_search_password", Settings { search_password: text(""), ..sound.clone() }),
        ("ldap_group_base_dn", Settings { group_base_dn: text("x"), ..sound.clone() }),
        ("ldap_group_admin_dn", Settings { group_admin_dn: text("x"), ..sound.clone() }),
        ("ldap_group_search_filter", Settings { group_search_filter: text("("), ..sound.clone() }),
    ];
    for (name, settings) in wrong {
        let refused = Directory::new(settings).expect_err(name);
        assert!(matches!(refused, Error::Setting { setting, .. } if setting == name), "{refused}");
    }
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let url = text("ldaps://127.0.0.1");
        let settings = Settings { url, ca_certificate: Some(text(pem)), ..sound.clone() };
        let refused = Directory::new(settings).expect_err(pem);
        assert!(refused.to_string().contains("CA certificate"), "{refused}");
    }
}
