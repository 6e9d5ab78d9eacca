//! Accepting connections and serving HTTP/1.1 and HTTP/2 on them.

mod pulse;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderValue, Version};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use roadstead_registry::http::Untouched;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) use pulse::Patience;
use pulse::{Felt, Pulse};

/// How long a client may take to shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often HTTP/2 asks a silent client whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How often a connection's waits are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 256;
/// Room for a `Range` header with a thousand ranges.
const LARGEST_HEAD: u32 = 128 << 10;
/// How much of an answer waits in memory for a client that does not take it; a little more, because
/// it is counted before the last piece.
const MOST_WAITING: usize = 256 << 10;
/// How much the kernel takes of an answer before it is sent. What it takes early it copies to
/// memory that is cold again when it is sent, and a slow client would hold megabytes of it. Not for
/// TLS, where encrypting costs more than copying and larger batches are cheaper.
const MOST_UNSENT: u32 = 128 << 10;

/// The peer of a connection, among the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// When a server stops, step by step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// Probes say that it will: whoever spreads requests sends no more.
    pub(crate) draining: CancellationToken,
    /// No new connections; running requests finish.
    pub(crate) closing: CancellationToken,
}

/// How connections are treated.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// How many there may be at once. Further ones wait until one ends.
    pub(crate) most: usize,
    pub(crate) patience: Patience,
    /// How long running requests may take to finish at the end.
    pub(crate) drain: Duration,
}

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

/// What answers requests.
pub(crate) trait Site: Send + Sync + 'static {
    /// The answer to a request.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response> + Send;
}

impl Site for Router {
    async fn answer(&self, request: Request<Body>) -> Response {
        match self.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What every connection of a listener shares.
struct House<S> {
    tls: Option<TlsAcceptor>,
    site: S,
    patience: Patience,
    room: Arc<Semaphore>,
    draining: CancellationToken,
}

/// Serves until it is told to close, then lets running requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    site: impl Site,
    stop: Stop,
    manners: Manners,
) -> anyhow::Result<()> {
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(manners.most));
    let draining = stop.draining;
    let patience = manners.patience;
    let house = Arc::new(House { tls, site, patience, room: room.clone(), draining });
    let next = async || {
        let place = room.clone().acquire_owned().await?;
        anyhow::Ok((place, listener.accept().await))
    };
    while let Some(accepted) = stop.closing.run_until_cancelled(next()).await {
        match accepted? {
            (place, Ok((stream, peer))) => {
                let (house, watcher) = (house.clone(), connections.watcher());
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, peer, house, watcher).await {
                        tracing::debug!(%peer, error = format!("{error:#}"), "a connection ended");
                    }
                    drop(place);
                });
            }
            (_, Err(error)) => {
                // Out of file descriptors, most likely: waiting lets others give theirs back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(manners.drain, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and are cut off");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    house: Arc<House<impl Site>>,
    watcher: Watcher,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    match house.tls.clone() {
        None => {
            SockRef::from(&stream).set_tcp_notsent_lowat(MOST_UNSENT)?;
            http(stream, peer, house, watcher).await
        }
        Some(acceptor) => {
            let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream))
                .await
                .context("no TLS handshake in time")??;
            http(stream, peer, house, watcher).await
        }
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    house: Arc<House<impl Site>>,
    watcher: Watcher,
) -> anyhow::Result<()> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The guard below knows the head of a request from the silence before it.
        .header_read_timeout(None)
        .max_buf_size(MOST_WAITING)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .max_header_list_size(LARGEST_HEAD)
        .max_concurrent_streams(MOST_STREAMS);
    let pulse = Pulse::new();
    let stream = Felt { stream, pulse: pulse.clone() };
    let (patience, room) = (house.patience, house.room.clone());
    let felt = pulse.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        answer(request, peer, house.clone(), felt.clone())
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        served = watcher.watch(connection.into_owned()) => {
            served.map_err(|error| anyhow::anyhow!("{error}"))
        }
        why = guard(&pulse, &patience, &room) => Err(anyhow::anyhow!(why)),
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    house: Arc<House<impl Site>>,
    pulse: Arc<Pulse>,
) -> Result<Response, std::convert::Infallible> {
    let version = request.version();
    let running = pulse.request(version);
    let mut request = request.map(|body| {
        if body.is_end_stream() { Body::empty() } else { running.clone().through(Body::new(body)) }
    });
    request.extensions_mut().insert(Peer(peer));
    // Encrypting and framing read the bytes of an answer; HTTP/1 in the clear gives them to the
    // socket as they are.
    if house.tls.is_none() && version < Version::HTTP_2 {
        request.extensions_mut().insert(Untouched);
    }
    let mut response = house.site.answer(request).await;
    // A proxy keeps connections for later requests, which would meet a closed one then.
    if version < Version::HTTP_2 && house.draining.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| running.through(body)))
}

/// Ends when a connection has waited too long for its client, and says for what.
async fn guard(pulse: &Pulse, patience: &Patience, room: &Semaphore) -> &'static str {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(why) = pulse.overdue(patience, room.available_permits() == 0) {
            return why;
        }
    }
}
