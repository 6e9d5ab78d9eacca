//! The body of a request, piece by piece, with a limit on how long it may stand still.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::upload::{Bodies, Cut};

/// How much of a refused body is read all the same: a client that is cut off while it sends may
/// never see the answer (RFC 9112, section 9.6).
const REFUSED: usize = 16 << 20;

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
                self.discard().await;
                return Err(Error::ManifestTooLarge(most));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Reads a refused body to its end, unless that is far away.
    pub(super) async fn discard(mut self) {
        let mut left = REFUSED;
        while left > 0
            && let Some(Ok(piece)) = self.piece().await
        {
            left = left.saturating_sub(piece.len());
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
