use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A name whose address is another one each time it is asked for; the last one stays.
pub(in super::super) struct Flipping(Vec<IpAddr>, AtomicUsize);

impl Flipping {
    pub(in super::super) fn reach(networks: &str, answers: &[&str]) -> Reach {
        let answers = answers.iter().map(|text| text.parse().unwrap()).collect();
        let names = Arc::new(Self(answers, AtomicUsize::new(0)));
        Reach { names, ..reach(networks) }
    }
}

impl Resolve for Flipping {
    fn resolve(&self, _: Name) -> Resolving {
        let at = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let found = SocketAddr::new(self.0[at], 0);
        Box::pin(async move { Ok(Box::new(std::iter::once(found)) as Addrs) })
    }
}

fn reach(networks: &str) -> Reach {
    let networks = networks.split(',').filter(|text| !text.is_empty());
    Reach::new(networks.map(|text| text.parse().unwrap()).collect())
}

fn allows(networks: &str, url: &str) -> bool {
    reach(networks).check(&Url::parse(url).unwrap()).is_ok()
}

/// What must not be reached, in every form that a URL has for it.
const INSIDE: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.0.0.1:8081/metrics",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://0xa.1/",
    "http://012.0.0.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://100.127.255.255/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://2852039166/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://192.168.0.1/",
    "http://192.168.255.255/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::10.1.2.3]/",
    "http://[64:ff9b:1::8.8.8.8]/",
    "http://[100::1]/",
    "http://[2001::1]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[2001:db8::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a00:1::1]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[ff05::1:3]/",
];

#[test]
fn nothing_inside_is_reached_in_whatever_form_it_is_written() {
    assert!(INSIDE.len() >= 60);
    for url in INSIDE {
        assert!(!allows("", url), "{url}");
    }
}

#[test]
fn the_internet_is_reached_and_what_the_operator_allows() {
    for url in [
        "https://93.184.215.14/",
        "http://8.8.8.8/",
        "http://172.15.0.1/",
        "http://172.32.0.1/",
        "http://100.63.0.1/",
        "http://[2606:4700::1111]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::8.8.8.8]/",
        "http://[2002:808:808::]/",
        "https://hooks.example.com/",
    ] {
        assert!(allows("", url), "{url}");
    }
    let networks = "10.1.0.0/16,127.0.0.1/32,fd12::/16";
    for url in [
        "http://10.1.2.3/",
        "http://127.0.0.1:9000/",
        "http://[::ffff:10.1.0.1]/",
        "http://[64:ff9b::10.1.0.1]/",
        "http://[fd12::7]/",
    ] {
        assert!(allows(networks, url), "{url}");
    }
    for url in ["http://10.2.0.1/", "http://127.0.0.2/", "http://[::1]/", "http://[fd13::1]/"] {
        assert!(!allows(networks, url), "{url}");
    }
}

#[tokio::test]
async fn names_are_checked_by_what_they_resolve_to() {
    let resolve = async |reach: &Reach, name: &str| reach.resolve(name.parse().unwrap()).await;
    let refused = resolve(&reach(""), "localhost").await.err().unwrap();
    assert!(refused.downcast_ref::<NotAllowed>().is_some(), "{refused}");
    assert!(resolve(&reach("127.0.0.0/8,::1/128"), "localhost").await.is_ok());
    let flipping = Flipping::reach("", &["8.8.8.8", "127.0.0.1"]);
    assert!(resolve(&flipping, "example.com").await.is_ok());
    assert!(resolve(&flipping, "example.com").await.is_err(), "it is another address now");
}
