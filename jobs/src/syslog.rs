//! Audit events, forwarded to a syslog collector (RFC 5424) over TCP or TLS.
//!
//! Syslog acknowledges nothing: what was sent shortly before a connection broke may be lost, unless
//! [`Forwarder::finish`] says that it was read.

mod connection;
mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use connection::Connection;
pub use message::Entry;
pub use roadstead_auth::configuration::{Endpoint, EndpointError};

/// How long opening a connection, its handshake included, and writing an entry may each take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a reset may take to arrive behind the end of a connection.
const AFTERMATH: Duration = Duration::from_millis(50);

/// Why an entry was not forwarded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers there.
    #[error("the syslog collector cannot be reached")]
    Connect(#[source] io::Error),
    /// The handshake failed, most often because the collector's certificate is not trusted.
    #[error("no TLS connection to the syslog collector")]
    Tls(#[source] io::Error),
    /// It took longer than five seconds.
    #[error("the syslog collector did not answer in {} seconds", PATIENCE.as_secs())]
    Timeout,
    /// The connection broke.
    #[error("the connection to the syslog collector broke")]
    Broken(#[source] io::Error),
    /// The collector closed the connection, or an entry failed on it before.
    #[error("the connection to the syslog collector is closed")]
    Closed,
}

/// An open connection to a collector.
#[derive(Debug)]
pub struct Forwarder {
    /// None after a failure, which may have left half an entry on the way.
    connection: Option<Connection>,
    hostname: String,
}

impl Forwarder {
    /// Opens a connection.
    ///
    /// # Errors
    /// All but [`Error::Broken`] and [`Error::Closed`].
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, Error> {
        let connection = connection::open(endpoint);
        let connection = timeout(PATIENCE, connection).await.map_err(|_| Error::Timeout)??;
        Ok(Self { connection: Some(connection), hostname: message::hostname() })
    }

    /// Sends an entry, in the framing that counts octets (RFC 6587, 3.4.1; RFC 5425, 4.3). Once
    /// this failed, or was cancelled, the connection is of no more use.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Broken`] and [`Error::Closed`].
    pub async fn send(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let mut connection = self.connection.take().ok_or(Error::Closed)?;
        let frame = message::frame(entry, &self.hostname);
        timeout(PATIENCE, deliver(&mut connection, &frame)).await.map_err(|_| Error::Timeout)??;
        self.connection = Some(connection);
        Ok(())
    }

    /// Closes the connection, and waits until the collector has closed it, too. Collectors do
    /// that when they have read to the end; one that died with something unread resets the
    /// connection instead. Success is therefore as near to an acknowledgement as syslog comes.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Broken`] and [`Error::Closed`].
    pub async fn finish(mut self) -> Result<(), Error> {
        let mut connection = self.connection.take().ok_or(Error::Closed)?;
        timeout(PATIENCE, read_to_end(&mut connection)).await.map_err(|_| Error::Timeout)??;
        // Of a collector that closed before it had everything, the end may be seen first, and
        // the reset of what it did not take a moment later.
        tokio::time::sleep(AFTERMATH).await;
        match connection.take_error().map_err(Error::Broken)? {
            Some(error) => Err(Error::Broken(error)),
            None => Ok(()),
        }
    }

    /// Closes the connection in an orderly way; what was sent before is on its way.
    pub async fn close(mut self) {
        if let Some(mut connection) = self.connection.take() {
            // Whether the other side still listens makes no difference.
            let _ = timeout(PATIENCE, connection.shutdown()).await;
        }
    }
}

/// Opens a connection and closes it again.
///
/// # Errors
/// As [`Forwarder::connect`].
pub async fn probe(endpoint: &Endpoint) -> Result<(), Error> {
    Forwarder::connect(endpoint).await?.close().await;
    Ok(())
}

async fn read_to_end(connection: &mut Connection) -> Result<(), Error> {
    connection.shutdown().await.map_err(Error::Broken)?;
    let mut unread = [0; 64];
    loop {
        match connection.read(&mut unread).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Some collectors end TLS without saying so; the TCP connection ended in order.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(Error::Broken(error)),
        }
    }
}

async fn deliver(connection: &mut Connection, frame: &[u8]) -> Result<(), Error> {
    // The first write to a connection that the other side has closed succeeds and goes nowhere.
    // Collectors send nothing, so that there is something to read only at its end.
    let mut unread = [0; 64];
    match timeout(Duration::ZERO, connection.read(&mut unread)).await {
        Ok(Ok(0)) => return Err(Error::Closed),
        Ok(Err(error)) => return Err(Error::Broken(error)),
        Ok(Ok(_)) | Err(_) => {}
    }
    connection.write_all(frame).await.map_err(Error::Broken)?;
    connection.flush().await.map_err(Error::Broken)
}
