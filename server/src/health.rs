//! `roadstead health`: asks the server beside it whether it is ready, for images without a shell.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::settings::Loaded;

/// How long each step may take; the server itself answers within two seconds.
const PATIENCE: Duration = Duration::from_secs(4);
const LONGEST: u64 = 16 << 10;

/// Asks `/readyz` on the port for health and metrics.
pub(crate) fn ask(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    if loaded.text("admin_listen") == "off" {
        bail!("ROADSTEAD_ADMIN_LISTEN is off, so there is nobody to ask");
    }
    let address = reachable(loaded.parse("admin_listen", str::parse::<SocketAddr>)?);
    let answer = get(address, "/readyz").with_context(|| format!("no answer from {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    println!("{}", body.trim());
    let ready = head.split(' ').nth(1) == Some("200");
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who listens on every address listens on the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let v4 = address.is_ipv4();
        let (four, six) = (Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST));
        address.set_ip(if v4 { four } else { six });
    }
    address
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_asked_on_the_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("10.0.0.1:8081", "10.0.0.1:8081"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
