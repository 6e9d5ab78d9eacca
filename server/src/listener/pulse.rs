//! What a connection is doing, and when that has taken too long.
//!
//! A client that sends the head of a request byte by byte, or takes none of an answer, holds a
//! connection, a file and memory for nothing (slow loris, slow read). Each connection notes when
//! such a wait began; a guard beside it looks now and then.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a connection may spend with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a request's head to its last.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// While the client takes nothing of an answer.
    pub(crate) stall: Duration,
}

/// When something began, in milliseconds since the connection did; zero while it goes on not.
#[derive(Debug, Default)]
struct Since(AtomicU64);

impl Since {
    fn begin(&self, start: Instant) {
        let now = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let _ = self.0.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn longer_than(&self, limit: Duration, start: Instant) -> bool {
        let began = self.0.load(Ordering::Relaxed);
        began != 0 && start.elapsed().saturating_sub(Duration::from_millis(began)) > limit
    }
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Requests whose body or answer is still on its way.
    running: AtomicUsize,
    /// Whether the head of a request can be told from other bytes: in HTTP/2 it cannot, and its
    /// own limits apply.
    heads: AtomicBool,
    head: Since,
    idle: Since,
    stall: Since,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let pulse = Self {
            start: Instant::now(),
            running: AtomicUsize::new(0),
            heads: AtomicBool::new(true),
            head: Since::default(),
            idle: Since::default(),
            stall: Since::default(),
        };
        // Whoever connects has something to say: silence is a head that does not come.
        pulse.head.begin(pulse.start);
        Arc::new(pulse)
    }

    /// A request's head is complete; it runs until its body and its answer are dropped.
    pub(super) fn request(self: &Arc<Self>, version: http::Version) -> Running {
        if version >= http::Version::HTTP_2 {
            self.heads.store(false, Ordering::Relaxed);
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        self.head.end();
        self.idle.end();
        Running(self.clone())
    }

    /// Why the connection should end, if it should. A server without room for more waits for no
    /// client between two requests.
    pub(super) fn overdue(&self, patience: &Patience, crowded: bool) -> Option<&'static str> {
        let idle = if crowded { patience.idle.min(Duration::from_secs(1)) } else { patience.idle };
        if self.stall.longer_than(patience.stall, self.start) {
            return Some("the client takes nothing of an answer");
        }
        if self.running.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if self.head.longer_than(patience.head, self.start) {
            return Some("no request came in time");
        }
        self.idle.longer_than(idle, self.start).then_some("no further request came in time")
    }

    fn has_read(&self) {
        if self.heads.load(Ordering::Relaxed) && self.running.load(Ordering::Relaxed) == 0 {
            self.head.begin(self.start);
            self.idle.end();
        }
    }

    fn writes<T>(&self, polled: &Poll<std::io::Result<T>>) {
        if polled.is_pending() { self.stall.begin(self.start) } else { self.stall.end() }
    }
}

/// A request that is running, until dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<Pulse>);

impl Clone for Running {
    fn clone(&self) -> Self {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.begin(self.0.start);
        }
    }
}

impl Running {
    /// A body that keeps the request running until it is dropped.
    pub(super) fn through(self, body: Body) -> Body {
        Body::new(Counted { body, _running: self })
    }
}

struct Counted {
    body: Body,
    _running: Running,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes in its pulse what is read and what waits to be written.
pub(super) struct Felt<S> {
    pub(super) stream: S,
    pub(super) pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Felt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.has_read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Felt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pulse.writes(&polled);
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.pulse.writes(&polled);
        polled
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.pulse.writes(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.pulse.writes(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_mins(1);

    fn a_moment() {
        std::thread::sleep(Duration::from_millis(20));
    }

    #[test]
    fn a_connection_without_a_request_is_overdue_and_one_with_a_running_request_is_not() {
        let pulse = Pulse::new();
        let patience = Patience { head: NONE, idle: NONE, stall: LONG };
        a_moment();
        assert_eq!(pulse.overdue(&patience, false), Some("no request came in time"));
        let running = pulse.request(http::Version::HTTP_11);
        let answer = running.clone();
        drop(running);
        a_moment();
        assert_eq!(pulse.overdue(&patience, true), None);
        drop(answer);
        a_moment();
        assert_eq!(pulse.overdue(&patience, false), Some("no further request came in time"));
    }

    #[test]
    fn the_next_head_is_timed_from_its_first_byte_and_not_from_the_last_request() {
        let pulse = Pulse::new();
        drop(pulse.request(http::Version::HTTP_11));
        let patience = Patience { head: NONE, idle: LONG, stall: LONG };
        a_moment();
        assert_eq!(pulse.overdue(&patience, false), None);
        pulse.has_read();
        a_moment();
        assert_eq!(pulse.overdue(&patience, false), Some("no request came in time"));
    }

    #[test]
    fn frames_of_http_2_between_requests_are_no_head() {
        let pulse = Pulse::new();
        drop(pulse.request(http::Version::HTTP_2));
        pulse.has_read();
        a_moment();
        let patience = Patience { head: NONE, idle: LONG, stall: LONG };
        assert_eq!(pulse.overdue(&patience, false), None);
    }

    #[test]
    fn a_client_that_reads_again_is_forgiven() {
        let pulse = Pulse::new();
        let _running = pulse.request(http::Version::HTTP_11);
        let patience = Patience { head: LONG, idle: LONG, stall: NONE };
        pulse.writes::<()>(&Poll::Pending);
        a_moment();
        assert_eq!(pulse.overdue(&patience, false), Some("the client takes nothing of an answer"));
        pulse.writes(&Poll::Ready(Ok(())));
        assert_eq!(pulse.overdue(&patience, false), None);
    }
}
