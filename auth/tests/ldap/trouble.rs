//! Connections that are not safe or not there, and settings that are wrong.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use roadstead_auth::ldap::{Directory, Error, Settings};

use crate::slapd::{PASSWORD, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, Slapd};
use crate::{directory, people, with_groups};

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
        assert!(
            matches!(refused, Error::Setting { setting: "ldap_ca_certificate", .. }),
            "{refused}"
        );
    }
}
