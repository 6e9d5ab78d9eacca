//! Trouble with the disk and the database: reads go on where they can, writes fail cleanly, and
//! nobody has to come when it is over.

mod blobs;
mod database;
mod descriptors;
mod full;
mod read_only;
mod sync;

use std::time::{Duration, Instant};

use roadstead_tests::content::sha256;
use roadstead_tests::http::{Person, with_query};

/// Pushes a blob; the status of the first answer that is no success, or 201.
async fn try_push(person: &Person, repository: &str, bytes: &[u8]) -> u16 {
    let answer = person.send("POST", &format!("/v2/{repository}/blobs/uploads/")).send().await;
    let answer = answer.expect("an answer");
    if answer.status() != 202 {
        return refusal(answer).await;
    }
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let url = with_query(&location, &format!("digest={}", sha256(bytes)));
    let answer = person.send("PUT", &url).body(bytes.to_vec()).send().await.expect("an answer");
    refusal(answer).await
}

/// The status of an answer that is checked, and read to its end: else its connection is of no more use.
async fn refusal(answer: reqwest::Response) -> u16 {
    check_refusal(&answer);
    let status = answer.status().as_u16();
    let _ = answer.bytes().await;
    status
}

/// Trouble is 503 or 507, and says when to try again.
fn check_refusal(answer: &reqwest::Response) {
    let status = answer.status().as_u16();
    assert!(matches!(status, 201 | 202 | 503 | 507), "{status}");
    let retry = answer.headers().contains_key("retry-after");
    assert_eq!(retry, status >= 500, "{status}");
}

/// Waits until pushes work by themselves; returns how long that took.
async fn until_pushes_work(person: &Person, repository: &str, within: Duration) -> Duration {
    let since = Instant::now();
    for n in 0.. {
        let bytes = format!("{n} {:?}", since.elapsed());
        if try_push(person, repository, bytes.as_bytes()).await == 201 {
            break;
        }
        assert!(since.elapsed() < within, "pushes still fail");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    since.elapsed()
}
