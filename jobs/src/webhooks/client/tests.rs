use std::sync::{Arc, Mutex};

use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::reach::tests::Flipping;
use super::*;

/// Somebody who gives the same answer to everybody, and remembers what was said.
struct Receiver {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn on(address: &str, answer: String) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = vec![0; 8192];
                let n = stream.read(&mut text).await.unwrap_or(0);
                into.lock().unwrap().push(String::from_utf8_lossy(&text[..n]).to_lowercase());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn answer(status: &str, header: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}content-length: 6\r\nconnection: close\r\n\r\nsecret")
}

fn message() -> Message {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer canary"));
    Message { headers, body: "{}".to_owned() }
}

fn client(networks: &str, answers: &[&str]) -> Client {
    Client::new(Flipping::reach(networks, answers), Duration::from_secs(5)).unwrap()
}

#[tokio::test]
async fn a_name_that_changes_its_address_leads_nowhere_else() {
    let allowed = Receiver::on("127.0.0.2:0", answer("200 OK", "")).await;
    let inside = Receiver::on(&format!("127.0.0.1:{}", allowed.port), answer("200 OK", "")).await;
    let client = client("127.0.0.2/32", &["127.0.0.2", "127.0.0.1"]);
    let address = format!("http://rebinding.example:{}/", allowed.port);
    assert_eq!(client.send(&address, false, message()).await, Ok(200));
    assert_eq!(client.send(&address, false, message()).await, Err(Trouble::NotAllowed));
    assert_eq!((allowed.heard().len(), inside.heard().len()), (1, 0));
}

#[tokio::test]
async fn redirects_are_checked_and_carry_no_credentials_elsewhere() {
    let end = Receiver::on("127.0.0.2:0", answer("200 OK", "")).await;
    let inside = Receiver::on("127.0.0.1:0", answer("200 OK", "")).await;
    let to =
        |location: &str| answer("307 Temporary Redirect", &format!("location: {location}\r\n"));
    let client = client("127.0.0.2/32", &["127.0.0.1"]);
    let send = async |receiver: &Receiver| {
        let address = format!("http://127.0.0.2:{}/", receiver.port);
        client.send(&address, false, message()).await
    };
    let first = Receiver::on("127.0.0.2:0", to(&format!("http://127.0.0.2:{}/x", end.port))).await;
    assert_eq!(send(&first).await, Ok(200));
    assert!(first.heard()[0].contains("authorization: bearer canary"));
    assert!(end.heard()[0].starts_with("post /x") && !end.heard()[0].contains("canary"));
    for location in [
        format!("http://127.0.0.1:{}/", inside.port),
        format!("http://2130706433:{}/", inside.port),
        format!("http://[::ffff:127.0.0.1]:{}/", inside.port),
        format!("http://by-name.example:{}/", inside.port),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let bad = Receiver::on("127.0.0.2:0", to(&location)).await;
        assert_eq!(send(&bad).await, Err(Trouble::NotAllowed), "{location}");
    }
    assert_eq!(inside.heard(), Vec::<String>::new());
    let around = Receiver::on("127.0.0.2:0", to("/again")).await;
    assert_eq!(send(&around).await, Err(Trouble::Hops));
    assert_eq!(around.heard().len(), HOPS + 1);
    assert!(around.heard().iter().all(|text| text.contains("canary")), "it is the same place");
    for (location, expected) in
        [("ftp://127.0.0.2/", Trouble::Address), ("http://[", Trouble::Downgrade)]
    {
        let bad = Receiver::on("127.0.0.2:0", to(location)).await;
        assert_eq!(send(&bad).await, Err(expected), "{location}");
    }
    let found = answer("302 Found", &format!("location: http://127.0.0.2:{}/\r\n", end.port));
    let found = Receiver::on("127.0.0.2:0", found).await;
    assert_eq!(send(&found).await, Err(Trouble::Redirect(302)));
    assert_eq!(end.heard().len(), 1);
}

#[tokio::test]
async fn trouble_says_nothing_of_what_was_answered() {
    let client = client("127.0.0.0/8", &["127.0.0.1"]);
    let slow = answer("429 Too Many Requests", "retry-after: 7\r\n");
    for (text, expected) in [
        (answer("500 secret", ""), Trouble::Status(500, None)),
        (answer("404 secret", "retry-after: 7\r\n"), Trouble::Status(404, None)),
        (slow, Trouble::Status(429, Some(Duration::from_secs(7)))),
        ("secret nonsense\r\n\r\n".to_owned(), Trouble::Connection),
    ] {
        let receiver = Receiver::on("127.0.0.1:0", text).await;
        let address = format!("http://127.0.0.1:{}/", receiver.port);
        let trouble = client.send(&address, false, message()).await.unwrap_err();
        assert!(!trouble.to_string().contains("secret"), "{trouble}");
        assert_eq!(trouble, expected);
    }
    for address in ["ftp://127.0.0.1/", "nonsense", "unix:/run/x.sock"] {
        assert_eq!(client.send(address, false, message()).await, Err(Trouble::Address));
    }
}
