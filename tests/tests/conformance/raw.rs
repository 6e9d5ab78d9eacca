//! Requests that no HTTP library would send.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Longer than any answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The `Authorization` line of the user that pushes.
pub(crate) fn authorization() -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode("pusher:Password-1"))
}

/// Opens a connection whose reads end after a while.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream
}

/// Sends bytes and returns everything that comes until the server closes the connection.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    // A connection that is reset after the answer has an answer all the same.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Sends the beginning of a request and hangs up.
pub(crate) fn hang_up(address: SocketAddr, bytes: &[u8]) {
    let mut stream = connect(address);
    stream.write_all(bytes).expect("sent");
    stream.flush().expect("sent");
    stream.shutdown(Shutdown::Both).expect("closed");
}

/// Reads one answer with `Content-Length` and returns its head; empty when there is none.
pub(crate) fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return String::new();
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().map_or(0, |(_, length)| length.parse().expect("a number"));
    stream.read_exact(&mut vec![0; length]).expect("the body");
    head
}
