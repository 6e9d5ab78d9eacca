//! Where a collector of audit events listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The longest name of a host (RFC 1035, 2.3.4).
const LONGEST_HOST: usize = 255;

/// A collector's address: `host:port` or `tcp://host:port` for TCP, `tls://host:port` for TLS
/// (RFC 5425). An IPv6 address stands in brackets.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Without brackets.
    host: String,
    port: u16,
    tls: bool,
    /// None for the system's.
    authorities: Option<Arc<RootCertStore>>,
}

/// Why a string is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is neither of the three forms.
    #[error("use host:port, tcp://host:port or tls://host:port; an IPv6 address in brackets")]
    Malformed,
    /// No certificate can be read from the given text.
    #[error("no usable certificate in PEM form among the certificate authorities")]
    Authorities,
}

impl Endpoint {
    /// The same endpoint, whose certificate must come from one of these authorities (PEM)
    /// instead of the system's. Says nothing about a TCP endpoint.
    pub fn trusting(self, pem: &[u8]) -> Result<Self, EndpointError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| EndpointError::Authorities)?;
            roots.add(certificate).map_err(|_| EndpointError::Authorities)?;
        }
        if roots.is_empty() {
            return Err(EndpointError::Authorities);
        }
        Ok(Self { authorities: Some(Arc::new(roots)), ..self })
    }

    /// Its host, a name or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whose certificates are trusted; None for those that the system trusts.
    pub fn authorities(&self) -> Option<Arc<RootCertStore>> {
        self.authorities.clone()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (tls, address) = match text.split_once("://") {
            None | Some(("tcp", _)) => (false, text.strip_prefix("tcp://").unwrap_or(text)),
            Some(("tls", address)) => (true, address),
            Some(_) => return Err(EndpointError::Malformed),
        };
        let (host, port) = address.rsplit_once(':').ok_or(EndpointError::Malformed)?;
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(|address| address.to_string()),
            None => is_host(host).then(|| host.to_owned()),
        };
        match (host, port) {
            (Some(host), Some(port)) => Ok(Self { host, port, tls, authorities: None }),
            _ => Err(EndpointError::Malformed),
        }
    }
}

/// A name as in DNS, or an IPv4 address.
fn is_host(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=LONGEST_HOST).contains(&host.len()) && host.bytes().all(allowed)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "tcp" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_have_a_host_and_a_port() {
        for (text, shown) in [
            ("logs.example.com:514", "tcp://logs.example.com:514"),
            ("tcp://10.0.0.1:601", "tcp://10.0.0.1:601"),
            ("tls://siem_1:6514", "tls://siem_1:6514"),
            ("tls://[::1]:6514", "tls://[::1]:6514"),
            ("[2001:db8:0::1]:514", "tcp://[2001:db8::1]:514"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let long = format!("{}:514", "a".repeat(256));
        for text in [
            "",
            "host",
            "host:",
            ":514",
            "host:0",
            "host:65536",
            "host:+1",
            "host:5x",
            "::1:514",
            "[::1]",
            "[x]:514",
            "udp://host:514",
            "https://host:514",
            "tcp://tls://host:514",
            "a b:514",
            "host/x:514",
            "user@host:514",
            "host\r\n:514",
            "hôst:514",
            &long,
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err(), EndpointError::Malformed, "{text:?}");
        }
    }

    #[test]
    fn authorities_are_certificates() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let endpoint: Endpoint = "tls://host:6514".parse().unwrap();
            assert_eq!(endpoint.trusting(pem.as_bytes()).unwrap_err(), EndpointError::Authorities);
        }
    }
}
