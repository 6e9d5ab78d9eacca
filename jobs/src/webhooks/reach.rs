//! Which addresses webhooks may be sent to.
//!
//! Whoever administers a project chooses the address, and names resolve to what their owners like.
//! Only the internet is open to them, unless the operator allows a network: not this machine, not
//! what stands beside it, not the services that a cloud has for its machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// An address that must not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is in no network that webhooks may reach")]
pub(super) struct NotAllowed;

/// The rule.
#[derive(Clone)]
pub(super) struct Reach {
    networks: Arc<[IpNet]>,
    names: Arc<dyn Resolve>,
}

impl Reach {
    /// The internet, and these networks.
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self { networks: networks.into(), names: Arc::new(System) }
    }

    /// Refuses a URL whose host is an address that must not be reached. Names are checked when
    /// they are resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), NotAllowed> {
        let host = url.host_str().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bare.unwrap_or(host).parse() {
            Ok(address) if !self.allows(address) => Err(NotAllowed),
            _ => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        let inner = embedded(address);
        let listed = |address: IpAddr| self.networks.iter().any(|it| it.contains(&address));
        listed(address) || listed(inner) || is_public(inner)
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped, compatible, through NAT64, through 6to4.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let segments = v6.segments();
    let [a, b, c, d] = [segments[6] >> 8, segments[6] & 0xff, segments[7] >> 8, segments[7] & 0xff];
    let last = [a, b, c, d].map(|byte| u8::try_from(byte).unwrap_or_default());
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            IpAddr::V4(Ipv4Addr::from(last))
        }
        [0x2002, high, low, ..] => {
            let bits = (u32::from(high) << 16) | u32::from(low);
            IpAddr::V4(Ipv4Addr::from(bits))
        }
        _ => address,
    }
}

/// Whether an address is one of the internet's, and no network has another use for it (IANA's
/// registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !matches!(
            v4.octets(),
            [0 | 10 | 127 | 224..=255, ..]
                | [100, 64..=127, ..]
                | [169, 254, ..]
                | [172, 16..=31, ..]
                | [192, 0, 0 | 2, _]
                | [192, 88, 99, _]
                | [192, 168, ..]
                | [198, 18 | 19, ..]
                | [198, 51, 100, _]
                | [203, 0, 113, _]
        ),
        IpAddr::V6(v6) => is_global_unicast(v6),
    }
}

fn is_global_unicast(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let unicast = first & 0xe000 == 0x2000;
    // Of protocols (Teredo among them), and of documents.
    let special = first == 0x2001 && (second < 0x200 || second == 0xdb8);
    unicast && !special && first != 0x3fff
}

/// Resolves names to allowed addresses only. What is checked is what is connected to, so a name
/// that changes its address in between gains nothing.
impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.clone(), self.names.resolve(name));
        Box::pin(async move {
            let allowed: Vec<SocketAddr> =
                found.await?.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// What the system resolves names to.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
