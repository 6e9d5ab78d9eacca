//! A tap on the line between clients and the server: it forwards bytes and keeps the requests.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// A request that passed, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// The bytes of one connection in both directions.
#[derive(Debug, Default)]
struct Wire {
    up: Vec<u8>,
    down: Vec<u8>,
}

type Wires = Arc<Mutex<Vec<Arc<Mutex<Wire>>>>>;

/// A listener in front of a server.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    wires: Wires,
}

impl Tap {
    /// Listens on a port of its own and forwards every connection.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let wires = Wires::default();
        let kept = Arc::clone(&wires);
        thread::spawn(move || {
            for client in listener.incoming() {
                // The tap's end is a connection when nothing else holds the wires any more.
                if Arc::strong_count(&kept) == 1 {
                    break;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
                    continue;
                };
                let wire = Arc::new(Mutex::new(Wire::default()));
                lock(&kept).push(Arc::clone(&wire));
                forward(&client, &server, &wire);
            }
        });
        Self { address, wires }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets what has passed so far.
    pub fn clear(&self) {
        for wire in lock(&self.wires).iter() {
            *lock(wire) = Wire::default();
        }
    }

    /// What has passed, connection by connection.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let wires = lock(&self.wires);
        wires.iter().flat_map(|wire| exchanges(&lock(wire))).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.wires = Wires::default();
        // Wakes the listener; if that fails it ends with the test's process.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies both directions until either end is closed.
fn forward(client: &TcpStream, server: &TcpStream, wire: &Arc<Mutex<Wire>>) {
    let copy = |from: &TcpStream, to: &TcpStream, keep: fn(&mut Wire) -> &mut Vec<u8>| {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let wire = Arc::clone(wire);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                keep(&mut lock(&wire)).extend_from_slice(&buffer[..length]);
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            // The other direction may have closed it already.
            let _ = to.shutdown(Shutdown::Write);
        });
    };
    copy(client, server, |wire| &mut wire.up);
    copy(server, client, |wire| &mut wire.down);
}

/// The requests of a connection with their final statuses; nothing here pipelines.
fn exchanges(wire: &Wire) -> Vec<Exchange> {
    let requests = positions(&wire.up, b" HTTP/1.1\r\n").filter_map(|end| request(&wire.up[..end]));
    let statuses = positions(&wire.down, b"HTTP/1.1 ").filter_map(|start| {
        let digits = wire.down.get(start + 9..start + 12)?;
        let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (status >= 200).then_some(status)
    });
    let together = requests.zip(statuses);
    together.map(|((method, path), status)| Exchange { method, path, status }).collect()
}

/// The method and path that these bytes end with.
fn request(bytes: &[u8]) -> Option<(String, String)> {
    let path_length = bytes.iter().rev().take_while(|byte| byte.is_ascii_graphic()).count();
    let (before, path) = bytes.split_at(bytes.len() - path_length);
    let before = before.strip_suffix(b" ")?;
    let method = METHODS.into_iter().find(|method| before.ends_with(method.as_bytes()))?;
    Some((method.to_owned(), std::str::from_utf8(path).ok()?.to_owned()))
}

fn positions<'a>(bytes: &'a [u8], text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let found = bytes.windows(text.len()).enumerate();
    found.filter(move |(_, window)| *window == text).map(|(position, _)| position)
}
