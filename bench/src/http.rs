//! A client that costs little: the servers have the same processors.
//!
//! It speaks as much HTTP/1.1 as registries answer. Bodies are read into one buffer of the thread,
//! which stays in the processor's cache, and are thrown away.

use std::cell::RefCell;
use std::pin::Pin;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// How much of a body is read at once, at most.
const PIECE: usize = 256 * 1024;
/// No head is longer.
const LONGEST_HEAD: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; piece()]);
}

/// `ROADSTEAD_BENCH_PIECE` is for those who want to know what another size would make of it.
fn piece() -> usize {
    let given = std::env::var("ROADSTEAD_BENCH_PIECE").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(PIECE)
}

/// What a connection is made of.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) location: Option<String>,
}

/// How long the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Length(u64),
    Chunked,
}

/// A connection to a server.
pub(crate) struct Connection<S> {
    stream: S,
    /// What was read and not looked at yet.
    rest: Vec<u8>,
}

impl<S: Wire> Connection<S> {
    /// Over a stream that is connected.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// Sends the head of a request, with the pieces of its body.
    pub(crate) async fn send(&mut self, head: &[u8], body: &[&[u8]]) -> anyhow::Result<()> {
        self.stream.write_all(head).await.context("sending")?;
        for piece in body {
            self.stream.write_all(piece).await.context("sending a body")?;
        }
        self.stream.flush().await.context("sending")
    }

    /// Reads the head of the next answer.
    pub(crate) async fn answer(&mut self) -> anyhow::Result<Answer> {
        loop {
            if let Some(end) = find(&self.rest, b"\r\n\r\n") {
                let head: Vec<u8> = self.rest.drain(..end + 4).collect();
                return read_head(&String::from_utf8_lossy(&head));
            }
            if self.rest.len() > LONGEST_HEAD {
                bail!("a head without end");
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.rest.reserve(4096);
        match self.stream.read_buf(&mut self.rest).await.context("reading")? {
            0 => bail!("the server ended the connection"),
            _ => Ok(()),
        }
    }

    /// Reads the body and throws it away, telling the length of each piece.
    pub(crate) async fn discard(
        &mut self,
        body: Body,
        mut told: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        self.read(body, |piece| told(piece.len() as u64)).await
    }

    /// Reads the body, showing each piece.
    pub(crate) async fn read(
        &mut self,
        body: Body,
        mut shown: impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        let Body::Length(mut left) = body else {
            shown(&self.collect(body).await?);
            return Ok(());
        };
        let early = left.min(self.rest.len() as u64);
        let early: Vec<u8> = self.rest.drain(..early as usize).collect();
        shown(&early);
        left -= early.len() as u64;
        while left > 0 {
            left -= self.read_piece(left, &mut shown).await? as u64;
        }
        Ok(())
    }

    async fn read_piece(
        &mut self,
        most: u64,
        shown: &mut impl FnMut(&[u8]),
    ) -> anyhow::Result<usize> {
        let stream = &mut self.stream;
        let read = std::future::poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                let most =
                    usize::try_from(most).map_or(buffer.len(), |most| most.min(buffer.len()));
                let mut into = ReadBuf::new(&mut buffer[..most]);
                Pin::new(&mut *stream).poll_read(context, &mut into).map_ok(|()| {
                    shown(into.filled());
                    into.filled().len()
                })
            })
        });
        match read.await.context("reading a body")? {
            0 => bail!("the server ended the connection inside of a body"),
            read => Ok(read),
        }
    }

    /// Reads the whole body.
    pub(crate) async fn collect(&mut self, body: Body) -> anyhow::Result<Vec<u8>> {
        let mut whole = Vec::new();
        match body {
            Body::Length(length) => self.take(length as usize, &mut whole).await?,
            Body::Chunked => loop {
                let line = self.line().await?;
                let length = line.split(';').next().unwrap_or_default();
                let length = usize::from_str_radix(length.trim(), 16)
                    .with_context(|| format!("a chunk of {line:?} bytes"))?;
                self.take(length, &mut whole).await?;
                self.line().await?;
                if length == 0 {
                    break;
                }
            },
        }
        Ok(whole)
    }

    async fn take(&mut self, length: usize, into: &mut Vec<u8>) -> anyhow::Result<()> {
        while self.rest.len() < length {
            self.fill().await?;
        }
        into.extend(self.rest.drain(..length));
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = find(&self.rest, b"\r\n") {
                let line: Vec<u8> = self.rest.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill().await?;
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn read_head(head: &str) -> anyhow::Result<Answer> {
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|line| line.get(..3)?.parse().ok());
    let status = status.with_context(|| format!("no answer in HTTP/1.1: {head:?}"))?;
    let mut answer = Answer { status, body: Body::Length(0), location: None };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => answer.body = Body::Length(value.parse().context("a length")?),
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                answer.body = Body::Chunked;
            }
            "location" => answer.location = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &str) -> Connection<tokio::io::DuplexStream> {
        let (mut theirs, ours) = tokio::io::duplex(3);
        let bytes = bytes.to_owned();
        tokio::spawn(async move { theirs.write_all(bytes.as_bytes()).await });
        Connection::over(ours)
    }

    #[tokio::test]
    async fn answers_follow_each_other_on_a_connection() {
        let both = "HTTP/1.1 202 Accepted\r\nLocation: /a?b=c\r\ncontent-length: 0\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
                    HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n\
                    HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let mut connection = said(both);
        let first = connection.answer().await.unwrap();
        let location = Some("/a?b=c".to_owned());
        assert_eq!(first, Answer { status: 202, body: Body::Length(0), location });
        let second = connection.answer().await.unwrap();
        let mut told = 0;
        connection.discard(second.body, |piece| told += piece).await.unwrap();
        assert_eq!(told, 5);
        let third = connection.answer().await.unwrap();
        assert_eq!(third.body, Body::Chunked);
        assert_eq!(connection.collect(third.body).await.unwrap(), b"abcde");
        assert_eq!(connection.answer().await.unwrap().status, 404);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let mut connection = said("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
        let answer = connection.answer().await.unwrap();
        assert!(connection.discard(answer.body, |_| ()).await.is_err());
        assert!(said("SSH-2.0-x\r\n\r\n").answer().await.is_err());
    }
}
