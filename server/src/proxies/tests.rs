use super::*;

fn proxies(dialect: Dialect) -> Proxies {
    Proxies::new(networks("10.0.0.0/8, fd00::/8, 192.0.2.7").unwrap(), dialect)
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn client(
    dialect: Dialect,
    peer: &str,
    pairs: &[(&'static str, &'static str)],
) -> (String, Option<bool>, Option<String>) {
    let mut headers = headers(pairs);
    let client = proxies(dialect).client(peer.parse().unwrap(), &mut headers);
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"] {
        assert!(!headers.contains_key(name), "{name} is left for others to believe");
    }
    let host = client.host.map(|host| host.to_str().unwrap().to_owned());
    (client.address.to_string(), client.https, host)
}

const EVERYTHING: &[(&str, &str)] = &[
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example"),
    ("forwarded", "for=203.0.113.9;proto=https;host=evil.example"),
    ("x-real-ip", "203.0.113.9"),
];

#[test]
fn nobody_but_a_trusted_proxy_is_believed() {
    for dialect in [Dialect::XForwarded, Dialect::Forwarded] {
        let found = client(dialect, "198.51.100.1", EVERYTHING);
        assert_eq!(found, ("198.51.100.1".to_owned(), None, None));
        let found = client(dialect, "10.1.2.3", EVERYTHING);
        let host = Some("evil.example".to_owned());
        assert_eq!(found, ("203.0.113.9".to_owned(), Some(true), host));
    }
    let mut headers = headers(EVERYTHING);
    let nobody = Proxies::default().client("10.1.2.3".parse().unwrap(), &mut headers);
    assert_eq!(nobody.address.to_string(), "10.1.2.3");
    assert!(headers.is_empty(), "{headers:?}");
}

#[test]
fn what_the_client_wrote_itself_is_left_of_what_the_proxy_wrote() {
    let address = |list: &'static str| {
        client(Dialect::XForwarded, "10.0.0.1", &[("x-forwarded-for", list)]).0
    };
    assert_eq!(address("1.1.1.1, 203.0.113.9"), "203.0.113.9");
    assert_eq!(address("1.1.1.1, 203.0.113.9, 10.9.9.9"), "203.0.113.9");
    // A trusted client is a client, too.
    assert_eq!(address("10.5.5.5, 10.9.9.9"), "10.5.5.5");
    assert_eq!(address("1.1.1.1, nonsense, 10.9.9.9"), "10.9.9.9");
    assert_eq!(address("nonsense"), "10.0.0.1");
    assert_eq!(address(""), "10.0.0.1");
    assert_eq!(address("203.0.113.9:4711"), "203.0.113.9");
    assert_eq!(address("[2001:db8::1]:4711"), "2001:db8::1");
    assert_eq!(address("2001:db8::1"), "2001:db8::1");
    assert_eq!(address("::ffff:203.0.113.9"), "203.0.113.9");
    let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
    assert_eq!(client(Dialect::XForwarded, "10.0.0.1", &lines).0, "203.0.113.9");
}

#[test]
fn one_dialect_is_read_and_the_other_is_the_clients() {
    let both = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=6.6.6.6")];
    assert_eq!(client(Dialect::XForwarded, "10.0.0.1", &both).0, "203.0.113.9");
    assert_eq!(client(Dialect::Forwarded, "10.0.0.1", &both).0, "6.6.6.6");
    let x_only = [("x-forwarded-for", "6.6.6.6")];
    assert_eq!(client(Dialect::Forwarded, "10.0.0.1", &x_only).0, "10.0.0.1");
}

#[test]
fn forwarded_is_read_as_its_grammar_has_it() {
    let found =
        |value: &'static str| client(Dialect::Forwarded, "fd00::1", &[("forwarded", value)]);
    let plain = |address: &str| (address.to_owned(), None, None);
    assert_eq!(found("For=\"[2001:db8:cafe::17]:4711\"").0, "2001:db8:cafe::17");
    assert_eq!(found("for=203.0.113.9, for=10.1.1.1").0, "203.0.113.9");
    let outermost = "for=1.1.1.1;host=a, for=203.0.113.9;proto=https;host=hub.example:444 , \
                     for=10.1.1.1;proto=http;host=inner";
    let host = Some("hub.example:444".to_owned());
    assert_eq!(found(outermost), ("203.0.113.9".to_owned(), Some(true), host));
    for unknown in ["for=unknown", "for=_hidden", "for=\"_x:1\"", "by=10.0.0.1", "", ",;,"] {
        assert_eq!(found(unknown), plain("fd00::1"), "{unknown}");
    }
    // A quote that the client left open must not swallow what the proxy wrote.
    for broken in ["for=\"1.1.1.1, for=203.0.113.9", "for=1.1.1.1 x, for=2.2.2.2", "for", "=1"] {
        assert_eq!(found(broken), plain("fd00::1"), "{broken}");
    }
    assert_eq!(found("for=1.1.1.1;for=2.2.2.2"), plain("fd00::1"));
}

#[test]
fn hosts_that_are_none_are_not_repeated() {
    for bad in ["a/b", "u@h", "", "a b", "a\"b"] {
        let pairs = HeaderValue::from_str(bad).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-host", pairs);
        let client =
            proxies(Dialect::XForwarded).client("192.0.2.7".parse().unwrap(), &mut headers);
        assert_eq!(client.host, None, "{bad:?}");
    }
}

#[test]
fn networks_are_checked() {
    assert_eq!(networks("").unwrap(), []);
    assert_eq!(networks(" 10.0.0.0/8 ,::1 ").unwrap().len(), 2);
    for bad in ["10.0.0.0/33", "proxy", "10.0.0.1-10.0.0.9"] {
        assert!(networks(bad).unwrap_err().contains(bad), "{bad}");
    }
}
