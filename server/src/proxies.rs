//! Proxies in front of the server, and what they say of the client.
//!
//! Anybody can send `X-Forwarded-For`. It is believed from the networks that `trusted_proxies`
//! names, entry by entry from the right, for as long as each was written by such a proxy; it is
//! taken away from every other request. One kind of header is read, never both: a proxy that
//! writes one passes on what the client put into the other.

mod elements;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

/// The headers that proxies write.
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const OTHERS: [HeaderName; 3] = [
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-real-ip"),
];

/// Which header tells of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl FromStr for Dialect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "x-forwarded" => Ok(Self::XForwarded),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("must be x-forwarded or forwarded"),
        }
    }
}

/// Whom to believe, and what to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    dialect: Dialect,
}

/// The client as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether it speaks https, when a proxy says so.
    pub(crate) https: Option<bool>,
    /// The host that it asked for, when a proxy says so.
    pub(crate) host: Option<HeaderValue>,
}

impl Proxies {
    pub(crate) fn new(networks: Vec<IpNet>, dialect: Dialect) -> Self {
        Self { networks, dialect }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request with these headers through this peer. Nothing that only a proxy may say
    /// is left in the headers.
    pub(crate) fn client(&self, peer: IpAddr, headers: &mut HeaderMap) -> Client {
        // An IPv4 client of a socket for both is written as IPv6.
        let mut client = Client { address: peer.to_canonical(), https: None, host: None };
        if self.trusts(client.address) {
            match self.dialect {
                Dialect::XForwarded => self.read_x_forwarded(headers, &mut client),
                Dialect::Forwarded => self.read_forwarded(headers, &mut client),
            }
        }
        for name in [FOR, PROTO, X_HOST, FORWARDED].into_iter().chain(OTHERS) {
            headers.remove(name);
        }
        if let Some(host) = client.host.clone() {
            headers.insert(HOST, host);
        }
        client
    }

    fn read_x_forwarded(&self, headers: &HeaderMap, client: &mut Client) {
        for entry in entries(headers, &FOR).rev() {
            let Some(address) = address(entry) else {
                break;
            };
            client.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        client.https = entries(headers, &PROTO).next_back().and_then(https);
        client.host = entries(headers, &X_HOST).next_back().and_then(host);
    }

    /// Each proxy appends who sent it the request, how, and to which host.
    fn read_forwarded(&self, headers: &HeaderMap, client: &mut Client) {
        let values: Vec<&str> =
            headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok()).collect();
        let values = values.join(",");
        let Some(elements) = elements::parse(&values) else {
            return;
        };
        for element in elements.iter().rev() {
            client.https = element.proto.as_deref().and_then(https).or(client.https);
            client.host = element.host.as_deref().and_then(host).or(client.host.take());
            let Some(address) = element.client.as_deref().and_then(address) else {
                break;
            };
            client.address = address;
            if !self.trusts(address) {
                break;
            }
        }
    }
}

/// The networks of a list with commas; an address alone is a network of one.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| format!("{entry:?} is no network like 10.0.0.0/8"))
    });
    parsed.collect()
}

/// The entries of a header that is a list, whether on one line or on several.
fn entries<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// An address, with or without a port, which some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn https(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

fn host(text: &str) -> Option<HeaderValue> {
    let authority = text.parse::<http::uri::Authority>().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    HeaderValue::from_str(authority.as_str()).ok()
}

#[cfg(test)]
mod tests;
