//! Which addresses a provider may lead us to.
//!
//! The administrator names the issuer; everything else comes from its discovery document, and
//! names resolve to what their owners like. Private networks are where most providers live and
//! are allowed; what only this machine and its cloud can reach is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::error::{Error, Result};

/// Metadata services outside of the link-local ranges (AWS over IPv6, Alibaba Cloud).
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// The rule for one provider.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// The issuer's host, whose own address may be on the loopback.
    host: String,
    /// The issuer is on the loopback by its very name.
    loopback: bool,
}

impl Reach {
    pub(super) fn of(issuer: &Url) -> Self {
        let host = bare(issuer).to_owned();
        let literal = host.parse::<IpAddr>().is_ok_and(|address| plain(address).is_loopback());
        let named = host == "localhost" || host.ends_with(".localhost");
        Self { loopback: literal || named, host }
    }

    /// Refuses a URL whose host is an address that must not be reached; names are checked when
    /// they are resolved.
    pub(super) fn check(&self, url: &Url) -> Result<()> {
        match bare(url).parse() {
            Ok(address) if !self.allows(bare(url), address) => {
                Err(Error::BadAnswer("an endpoint is at an address that is not allowed"))
            }
            _ => Ok(()),
        }
    }

    fn allows(&self, host: &str, address: IpAddr) -> bool {
        let address = plain(address);
        if address.is_loopback() {
            return self.loopback || host == self.host;
        }
        !address.is_unspecified() && !address.is_multicast() && !of_this_link(address)
    }
}

/// The host without the brackets of an IPv6 address.
fn bare(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// IPv4 addresses may be written as IPv6 ones.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn of_this_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4 == METADATA_V4,
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == METADATA_V6,
    }
}

/// Resolves names to allowed addresses only. What is checked is what is connected to, so a name
/// that changes its address in between gains nothing.
impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| reach.allows(host, address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address that is allowed".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl From<Reach> for Arc<dyn Resolve> {
    fn from(reach: Reach) -> Self {
        Arc::new(reach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(issuer: &str, endpoint: &str) -> bool {
        let issuer = Url::parse(issuer).unwrap();
        Reach::of(&issuer).check(&Url::parse(endpoint).unwrap()).is_ok()
    }

    #[test]
    fn a_provider_cannot_lead_to_this_machine_or_to_metadata_services() {
        for bad in [
            "http://127.0.0.1/",
            "http://127.1:6379/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
        ] {
            assert!(!allows("https://login.example.com", bad), "{bad}");
        }
    }

    #[test]
    fn providers_in_private_networks_work() {
        for good in ["https://10.0.0.7/token", "https://192.168.1.2/", "https://[fd12::1]/"] {
            assert!(allows("https://login.example.com", good), "{good}");
        }
        assert!(allows("http://127.0.0.1:5070", "http://127.0.0.1:5070/token"));
        assert!(allows("http://localhost:5070", "http://[::1]:5070/token"));
        assert!(!allows("http://127.0.0.1:5070", "http://169.254.169.254/"));
    }

    #[tokio::test]
    async fn names_are_checked_by_what_they_resolve_to() {
        let resolve = |issuer: &str| {
            let reach = Reach::of(&Url::parse(issuer).unwrap());
            reach.resolve("localhost".parse().unwrap())
        };
        assert!(resolve("https://login.example.com").await.is_err());
        assert!(resolve("http://localhost:1").await.unwrap().count() > 0);
    }
}
