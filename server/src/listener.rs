//! Accepting connections and serving HTTP/1.1 and HTTP/2 on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long a client may take to send the head of a request, and to shake hands.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 256;
/// Room for a `Range` header with a thousand ranges.
const LARGEST_HEAD: u32 = 128 << 10;

/// The peer of a connection, among the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Binds an address.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{address} is taken by another program; set {setting} to another address, \
             for example {}:0 for any free port",
            address.ip()
        ),
        _ => anyhow::anyhow!("cannot listen on {address} ({setting}): {error}"),
    })
}

/// Serves until `stop`, then lets running requests finish for at most `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> anyhow::Result<()> {
    let connections = GracefulShutdown::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                let watcher = connections.watcher();
                let (tls, router) = (tls.clone(), router.clone());
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, peer, tls, router, watcher).await {
                        tracing::debug!(%peer, error = format!("{error:#}"), "a connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: waiting lets others give theirs back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and are cut off");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => http(stream, peer, router, watcher).await,
        Some(acceptor) => {
            let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream))
                .await
                .context("no TLS handshake in time")??;
            http(stream, peer, router, watcher).await
        }
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) -> anyhow::Result<()> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .max_header_list_size(LARGEST_HEAD)
        .max_concurrent_streams(MOST_STREAMS);
    let begun = Arc::new(AtomicBool::new(false));
    let begins = begun.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        begins.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        served = watcher.watch(connection.into_owned()) => {
            served.map_err(|error| anyhow::anyhow!("{error}"))
        }
        () = silence(&begun) => Err(anyhow::anyhow!("no request came in time")),
    }
}

/// Ends when a connection has brought no request for as long as a request's head may take: which
/// protocol it speaks is looked at before any other limit applies.
async fn silence(begun: &AtomicBool) {
    tokio::time::sleep(HEAD_TIMEOUT).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
