//! A blob, or parts of it, as the body of an answer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body::{Body as HttpBody, Frame, SizeHint};
use roadstead_storage::ContentHash;
use roadstead_storage::blobs::BlobStream;
use roadstead_storage::tables::blob::{Blob, State};

use super::range::Span;
use crate::Registry;

/// Among the extensions of a request: the server writes its answer to a socket as it is, and looks
/// at none of its bytes. So neither encrypted nor in frames, and below nothing that compresses.
#[derive(Clone, Copy, Debug)]
pub struct Untouched;

/// Text, then bytes of the blob.
struct Part {
    text: Bytes,
    span: Span,
}

struct Sending {
    stream: BlobStream,
    parts: VecDeque<Part>,
    trailer: Bytes,
    check: Option<Check>,
}

/// A blob that is hashed while it is sent.
struct Check {
    registry: Registry,
    blob: Blob,
    hash: ContentHash,
}

impl Check {
    /// Called with the last piece before it is sent: what does not hash to the digest is never
    /// completed, and the client sees a short read instead of wrong content.
    async fn finish(self) -> std::io::Result<()> {
        let whole = self.hash.finish() == self.blob.digest;
        let state = if whole { State::Ok } else { State::Suspect };
        self.registry.note_state(&self.blob, state).await;
        if whole { Ok(()) } else { Err(std::io::Error::other("the blob is damaged")) }
    }
}

/// The whole blob; hashed on the way, if that is due. Otherwise nobody needs to look at what is
/// sent `untouched`.
pub(super) fn whole(registry: &Registry, blob: &Blob, stream: BlobStream, untouched: bool) -> Body {
    let check = registry.wants_verification(blob).then(|| Check {
        registry: registry.clone(),
        blob: blob.clone(),
        hash: ContentHash::new(blob.digest.algorithm()),
    });
    let stream = if untouched && check.is_none() { stream.for_the_kernel() } else { stream };
    let span = Span { start: 0, end: stream.size() };
    body(stream, vec![Part { text: Bytes::new(), span }], Bytes::new(), check)
}

/// One range.
pub(super) fn part(stream: BlobStream, span: Span) -> Body {
    body(stream, vec![Part { text: Bytes::new(), span }], Bytes::new(), None)
}

/// Several ranges as `multipart/byteranges` (RFC 9110, section 14.6), and the body's length.
pub(super) fn multipart(stream: BlobStream, spans: &[Span], boundary: &str) -> (Body, u64) {
    let size = stream.size();
    let part = |span: &Span| {
        Part {
        text: format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: {}\r\n\r\n",
            span.content_range(size)
        )
        .into(),
        span: *span,
    }
    };
    let parts: Vec<Part> = spans.iter().map(part).collect();
    let trailer = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let lengths = parts.iter().map(|part| part.text.len() as u64 + part.span.length());
    let length = lengths.sum::<u64>() + trailer.len() as u64;
    (body(stream, parts, trailer, None), length)
}

fn body(stream: BlobStream, parts: Vec<Part>, trailer: Bytes, check: Option<Check>) -> Body {
    let lengths = parts.iter().map(|part| part.text.len() as u64 + part.span.length());
    let left = lengths.sum::<u64>() + trailer.len() as u64;
    let pieces = Box::pin(pieces(Sending { stream, parts: parts.into(), trailer, check }));
    Body::new(Measured { pieces, left })
}

/// Pieces whose length is known together: the protocol sees the last one coming.
struct Measured<S> {
    pieces: Pin<Box<S>>,
    left: u64,
}

impl<S: Stream<Item = std::io::Result<Bytes>>> HttpBody for Measured<S> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let next = ready!(self.pieces.as_mut().poll_next(context));
        if let Some(Ok(piece)) = &next {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn pieces(sending: Sending) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(sending, async |mut sending: Sending| {
        Ok(sending.next().await?.map(|piece| (piece, sending)))
    })
}

impl Sending {
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        while let Some(part) = self.parts.front_mut() {
            if !part.text.is_empty() {
                return Ok(Some(std::mem::take(&mut part.text)));
            }
            let Span { start, end } = part.span;
            if start == end {
                self.parts.pop_front();
                continue;
            }
            let piece = self.stream.piece(start, end).await?;
            part.span.start += piece.len() as u64;
            if let Some(check) = &mut self.check {
                check.hash.update(&piece);
            }
            if part.span.start == end
                && let Some(check) = self.check.take()
            {
                check.finish().await?;
            }
            return Ok(Some(piece));
        }
        let trailer = std::mem::take(&mut self.trailer);
        Ok((!trailer.is_empty()).then_some(trailer))
    }
}
