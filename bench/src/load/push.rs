//! Clients that write, as docker does: POST, PATCH with the bytes, PUT with the digest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::{Counters, MemoryWatch, as_things, figures};
use crate::content::Content;
use crate::http::{Answer, Connection, Wire};
use crate::sample::Sample;
use crate::servers::{Endpoint, Server};

/// Pushes one blob into a repository.
pub(crate) async fn blob<S: Wire>(
    connection: &mut Connection<S>,
    endpoint: &Endpoint,
    headers: &str,
    repository: &str,
    content: &Content,
) -> anyhow::Result<()> {
    let start = format!("POST /v2/{repository}/blobs/uploads/");
    let head = endpoint.head(&start, headers, Some(0));
    let location = location(ask(connection, &head, &[], 202).await?)?;
    let headers_of_bytes = format!("{headers}Content-Type: application/octet-stream\r\n");
    let head = endpoint.head(&format!("PATCH {location}"), &headers_of_bytes, Some(content.size()));
    let location = self::location(ask(connection, &head, &content.pieces(), 202).await?)?;
    let sign = if location.contains('?') { '&' } else { '?' };
    let finish = format!("PUT {location}{sign}digest={}", content.digest);
    let head = endpoint.head(&finish, headers, Some(0));
    ask(connection, &head, &[], 201).await?;
    Ok(())
}

/// Sends a request that must be answered with this status.
async fn ask<S: Wire>(
    connection: &mut Connection<S>,
    head: &[u8],
    body: &[&[u8]],
    status: u16,
) -> anyhow::Result<Answer> {
    connection.send(head, body).await?;
    let answer = connection.answer().await?;
    let said = connection.collect(answer.body).await?;
    ensure!(
        answer.status == status,
        "{}: {} {}",
        String::from_utf8_lossy(head),
        answer.status,
        String::from_utf8_lossy(&said)
    );
    Ok(answer)
}

/// The path, with its query, of a location that may be a whole URL.
fn location(answer: Answer) -> anyhow::Result<String> {
    let location = answer.location.context("no location")?;
    let path = match location.split_once("://") {
        None => location,
        Some((_, behind)) => {
            let from = behind.find('/').context("a location without a path")?;
            behind[from..].to_owned()
        }
    };
    Ok(path)
}

/// Pushes each of these blobs once, so many at a time, each client over a connection that stays.
pub(crate) async fn all(
    server: &Server,
    clients: usize,
    repository: &str,
    contents: Vec<Content>,
) -> anyhow::Result<Sample> {
    let headers = server.authorization(&format!("repository:{repository}:pull,push")).await?;
    let bytes = contents.iter().map(Content::size).sum();
    let number = contents.len();
    let (contents, next) = (Arc::new(contents), Arc::new(AtomicUsize::new(0)));
    let counters = Arc::new(Counters::default());
    counters.measuring.store(true, Ordering::Relaxed);
    let memory = MemoryWatch::of(server);
    let (before, since) = (server.processor_time()?, Instant::now());
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let (contents, next) = (Arc::clone(&contents), Arc::clone(&next));
        let (endpoint, counters) = (server.endpoint.clone(), Arc::clone(&counters));
        let (headers, repository) = (headers.clone(), repository.to_owned());
        running.spawn(async move {
            let mut connection = endpoint.connect().await?;
            while let Some(content) = contents.get(next.fetch_add(1, Ordering::Relaxed)) {
                let since = Instant::now();
                blob(&mut connection, &endpoint, &headers, &repository, content).await?;
                counters.answered(since);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let took = since.elapsed();
    let processor = server.processor_time()?.saturating_sub(before);
    let mut sample = figures(bytes, number as u64, took, processor);
    as_things(&mut sample);
    counters.percentiles(&mut sample);
    memory.add_to(&mut sample);
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;

    #[test]
    fn a_location_may_be_a_path_or_a_url() {
        let at = |text: &str| {
            let location = Some(text.to_owned());
            location_of(Answer { status: 202, body: Body::Length(0), location })
        };
        assert_eq!(at("/v2/a?x=y").unwrap(), "/v2/a?x=y");
        assert_eq!(at("http://127.0.0.1:9/v2/a?x=y").unwrap(), "/v2/a?x=y");
        assert!(at("http://127.0.0.1:9").is_err());
    }

    fn location_of(answer: Answer) -> anyhow::Result<String> {
        location(answer)
    }
}
