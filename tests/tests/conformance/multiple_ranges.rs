//! Several parts of a blob in one request, as pulls of zstd:chunked layers ask for them.

use rand::Rng as _;
use roadstead_tests::Server;
use roadstead_tests::content::rng;

use crate::answer::Answer;
use crate::client::{Call, Client, ONE, server, with_tokens};
use crate::data::{Algorithm, Blob};
use crate::uploads::{Way, push_ok};

async fn get(client: &Client, blob: &Blob, range: &str) -> Answer {
    client.send(Call::new("GET", blob.path(ONE)).with("range", range)).await
}

/// The parts of a `multipart/byteranges` body: first byte, last byte, bytes.
fn parts(answer: &Answer, size: usize) -> Vec<(usize, usize, Vec<u8>)> {
    let content_type = answer.header("content-type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect("parts");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = answer.body.as_slice();
    // The first delimiter may do without the line break before it.
    rest = rest
        .strip_prefix(delimiter.as_bytes())
        .or(rest.strip_prefix(&delimiter.as_bytes()[2..]))
        .expect("a boundary");
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = part.windows(4).position(|window| window == b"\r\n\r\n").expect("headers");
        let headers = std::str::from_utf8(&part[..end]).expect("text");
        let header = |name: &str| {
            let mut lines = headers.split("\r\n").filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        assert_eq!(header("content-type"), Some("application/octet-stream"));
        let range = header("content-range").and_then(|range| range.strip_prefix("bytes "));
        let (bounds, whole) = range.and_then(|range| range.split_once('/')).expect("a range");
        assert_eq!(whole, size.to_string());
        let (first, last) = bounds.split_once('-').expect("bounds");
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let (bytes, after) = part[end + 4..].split_at(last - first + 1);
        parts.push((first, last, bytes.to_vec()));
        rest = after.strip_prefix(delimiter.as_bytes()).expect("a boundary after the part");
    }
    assert_eq!(rest, b"--\r\n", "the closing boundary");
    parts
}

async fn served(client: &Client, blob: &Blob, header: &str, expected: &[(usize, usize)]) {
    let answer = get(client, blob, header).await.expect(206).lacks("content-range");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(answer.header("docker-content-digest"), blob.digest);
    let parts = parts(&answer, blob.bytes.len());
    let bounds: Vec<(usize, usize)> = parts.iter().map(|part| (part.0, part.1)).collect();
    assert_eq!(bounds, expected);
    for (first, last, bytes) in parts {
        assert!(bytes == blob.bytes[first..=last], "{first}-{last} has other bytes");
    }
}

async fn several_parts_come_in_the_order_in_which_they_were_asked_for(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    for algorithm in Algorithm::ALL {
        let blob = Blob::random(&mut rng, algorithm, 2048);
        push_ok(&client, ONE, &blob, Way::PostPut).await;
        for (header, expected) in [
            ("bytes=0-1,5-6", vec![(0, 1), (5, 6)]),
            ("bytes=5-6, 0-1", vec![(5, 6), (0, 1)]),
            ("bytes=0-0,-1", vec![(0, 0), (2047, 2047)]),
            ("bytes=100-199,2000-9999", vec![(100, 199), (2000, 2047)]),
            ("bytes=0-9,1000-1009,9000-9009", vec![(0, 9), (1000, 1009)]),
            ("bytes=10-19,20-29", vec![(10, 19), (20, 29)]),
        ] {
            served(&client, &blob, header, &expected).await;
        }
        let one = get(&client, &blob, "bytes=3-4,9000-").await.expect(206);
        one.has("content-range", "bytes 3-4/2048").holds(&blob.bytes[3..5]);
        let none = get(&client, &blob, "bytes=9000-,9999-99999").await;
        none.refuses(416, "RANGE_INVALID").has("content-range", "bytes */2048");
    }
}

async fn a_header_of_1024_ranges_is_served_in_full(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 3_000_000);
    push_ok(&client, ONE, &blob, Way::Stream).await;
    let mut ranges = Vec::new();
    for n in 0..1024 {
        let first = n * 2900 + rng.random_range(0..900);
        ranges.push((first, first + rng.random_range(0..1900)));
    }
    // Leading zeros make the header as long as one for a layer of many gigabytes.
    let list: Vec<String> =
        ranges.iter().map(|(first, last)| format!("{first:011}-{last:011}")).collect();
    let header = format!("bytes={}", list.join(", "));
    assert!(header.len() > 25_000, "{}", header.len());
    served(&client, &blob, &header, &ranges).await;
}

async fn ranges_never_make_an_answer_larger_than_the_blob(server: &Server) {
    let mut rng = rng();
    let client = with_tokens(server);
    let blob = Blob::random(&mut rng, Algorithm::Sha256, 100_000);
    push_ok(&client, ONE, &blob, Way::PostPut).await;
    let all = vec!["0-"; 1000].join(",");
    let many: Vec<String> = (0..4000).map(|n| format!("{}-{}", n * 20, n * 20 + 1)).collect();
    for header in [
        format!("bytes={all}"),
        format!("bytes={}", many.join(",")),
        "bytes=0-50000,100-".to_owned(),
    ] {
        let answer = get(&client, &blob, &header).await;
        assert!([200, 206, 416].contains(&answer.status), "{}", answer.status);
        assert!(answer.body.len() <= 2 * blob.bytes.len(), "{}", answer.body.len());
        if answer.status == 200 {
            answer.holds(&blob.bytes);
        }
    }
}

#[tokio::test]
async fn several_ranges_are_served_to_the_byte() {
    let server = server().await;
    several_parts_come_in_the_order_in_which_they_were_asked_for(&server).await;
    a_header_of_1024_ranges_is_served_in_full(&server).await;
    ranges_never_make_an_answer_larger_than_the_blob(&server).await;
}
