//! The body of a request, piece by piece, with a limit on how long it may stand still.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures_util::stream::Stream;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::upload::{Bodies, Cut};

/// How much of a body is read on after the answer, and for how long.
const REFUSED: usize = 16 << 20;
const REFUSED_TIME: Duration = Duration::from_secs(5);

pub(super) struct Pieces {
    body: Body,
    idle: Duration,
}

impl Pieces {
    pub(super) fn new(body: Body, idle: Duration) -> Self {
        Self { body, idle }
    }

    /// The whole body, if it is at most `most` bytes; no more than that is ever held.
    pub(super) async fn collect(mut self, most: usize) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.piece().await {
            let piece = piece?;
            if all.len() + piece.len() > most {
                return Err(Error::ManifestTooLarge(most));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Reads a refused body to its end, unless that is far away.
    async fn discard(mut self) {
        let mut left = REFUSED;
        while left > 0
            && let Some(Ok(piece)) = self.piece().await
        {
            left = left.saturating_sub(piece.len());
        }
    }
}

/// A body whose rest is read in the background when the answer comes before its end. A client
/// that is cut off while it sends may never see the answer, and one that is done sending takes
/// the connection for usable and loses its next request (RFC 9112, sections 9.3 and 9.6).
struct Lingering {
    /// None at the end.
    rest: Option<BodyDataStream>,
    idle: Duration,
}

/// Lets a body linger; not one that the client sends only when it is asked to.
pub(super) fn lingering(body: Body, headers: &HeaderMap, idle: Duration) -> Body {
    if body.is_end_stream() || headers.contains_key(EXPECT) {
        return body;
    }
    Body::from_stream(Lingering { rest: Some(body.into_data_stream()), idle })
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let piece = ready!(Pin::new(rest).poll_next(context));
        if !matches!(piece, Some(Ok(_))) {
            self.rest = None;
        }
        Poll::Ready(piece)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            let rest = Pieces::new(Body::from_stream(rest), self.idle);
            tokio::spawn(timeout(REFUSED_TIME, rest.discard()));
        }
    }
}

impl Bodies for Pieces {
    async fn piece(&mut self) -> Option<Result<Bytes, Cut>> {
        loop {
            match timeout(self.idle, self.body.frame()).await {
                Err(_) => return Some(Err(Cut::Stalled)),
                Ok(None) => return None,
                Ok(Some(Err(_))) => return Some(Err(Cut::Broken)),
                Ok(Some(Ok(frame))) => {
                    // Anything else is trailers; nobody sends any that matter.
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }
}
