//! Limits: what the work costs without a server around it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use sha2::{Digest as _, Sha256};

use crate::content::Content;
use crate::load::figures;
use crate::process;
use crate::sample::Sample;

/// How limits are called.
pub(crate) const HASH_AND_WRITE: &str = "SHA-256 and one write, alone";
pub(crate) const RECEIVE: &str = "the same from a socket, alone";

/// How much is read and written at once.
const PIECE: usize = 256 * 1024;

/// Hashes these bytes and writes them to a file, 256 KiB at a time, in one thread.
pub(crate) fn hash_and_write(place: &Path, content: &Content) -> anyhow::Result<Sample> {
    let path = place.join("alone");
    let mut file = File::create(&path)?;
    let own = [std::process::id()];
    let (before, since) = (process::processor_time(&own)?, Instant::now());
    let mut hash = Sha256::new();
    for piece in content.pieces() {
        for part in piece.chunks(PIECE) {
            hash.update(part);
            file.write_all(part)?;
        }
    }
    let digest = crate::content::named(hash);
    let (took, processor) =
        (since.elapsed(), process::processor_time(&own)?.saturating_sub(before));
    anyhow::ensure!(digest == content.digest, "other bytes were hashed");
    std::fs::remove_file(path)?;
    Ok(figures(content.size(), 0, took, processor))
}

/// Reads these bytes from a connection, hashes them and writes them to a file, in one thread. Its
/// time only is counted, not that of the thread that sends.
pub(crate) fn receive(place: &Path, content: &Content) -> anyhow::Result<Sample> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || -> std::io::Result<()> {
            let mut connection = TcpStream::connect(address)?;
            content.pieces().into_iter().try_for_each(|piece| connection.write_all(piece))
        });
        let (connection, _) = listener.accept()?;
        let received = take_in(connection, place, content)?;
        sender.join().ok().context("the sender")??;
        Ok(received)
    })
}

fn take_in(mut connection: TcpStream, place: &Path, content: &Content) -> anyhow::Result<Sample> {
    let path = place.join("received");
    let (mut file, mut hash) = (File::create(&path)?, Sha256::new());
    let mut buffer = vec![0; PIECE];
    let (before, since) = (time_of_this_thread()?, Instant::now());
    loop {
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read])?;
        hash.update(&buffer[..read]);
    }
    let digest = crate::content::named(hash);
    let (took, processor) = (since.elapsed(), time_of_this_thread()?.saturating_sub(before));
    anyhow::ensure!(digest == content.digest, "other bytes were hashed");
    std::fs::remove_file(path)?;
    Ok(figures(content.size(), 0, took, processor))
}

/// How long the calling thread has had a processor (proc(5), `schedstat`).
fn time_of_this_thread() -> anyhow::Result<Duration> {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = figures.split(' ').next().context("no time in schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
