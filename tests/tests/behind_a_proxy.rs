//! Behind a proxy: what it says of the client is believed when it is trusted, and never otherwise.

use reqwest::Response;
use roadstead_tests::http::header;
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};

/// The proxy's address in these tests; everybody else on the loopback is not trusted.
const PROXY: [u8; 4] = [127, 0, 0, 5];
const STRANGER: [u8; 4] = [127, 0, 0, 6];
/// Where the client really is.
const CLIENT: &str = "203.0.113.9";
/// What a client can write as well as a proxy.
const LIES: &[(&str, &str)] = &[
    ("x-forwarded-for", CLIENT),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "hub.example"),
    ("forwarded", "for=203.0.113.9;proto=https;host=hub.example"),
    ("x-real-ip", CLIENT),
];

fn server() -> Server {
    Setup::new().env("ROADSTEAD_TRUSTED_PROXIES", "127.0.0.5, 10.0.0.0/8").start()
}

async fn ask(server: &Server, from: [u8; 4], method: &str, path: &str) -> Response {
    let mut request = server.nobody().from(from).send(method, path);
    for (name, value) in LIES {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

async fn log_in(server: &Server, from: [u8; 4], password: &str) -> Response {
    let mut request = server.nobody().from(from).send("POST", "/c/login");
    for (name, value) in LIES {
        request = request.header(*name, *value);
    }
    let form = [("principal", "admin"), ("password", password)];
    request.form(&form).send().await.expect("an answer")
}

#[tokio::test]
async fn the_realm_is_where_the_client_reached_the_proxy() {
    let server = server();
    let answer = ask(&server, PROXY, "GET", "/v2/").await;
    let challenge = header(&answer, "www-authenticate");
    assert!(challenge.contains("realm=\"https://hub.example/service/token\""), "{challenge}");
    let answer = ask(&server, STRANGER, "GET", "/v2/").await;
    let challenge = header(&answer, "www-authenticate");
    let own = format!("realm=\"http://{}/service/token\"", server.host());
    assert!(challenge.contains(&own), "{challenge}");
}

#[tokio::test]
async fn locations_name_no_host_that_a_client_wrote() {
    let server = server();
    for from in [PROXY, STRANGER] {
        let admin = server.admin().from(from).send("POST", "/v2/library/x/blobs/uploads/");
        let answer = admin.header("x-forwarded-host", "hub.example").send().await.unwrap();
        assert_eq!(answer.status(), 202);
        assert!(header(&answer, "location").starts_with("/v2/library/x/"));
    }
}

#[tokio::test]
async fn cookies_are_for_https_only_when_the_client_has_it() {
    let server = server();
    let cookie = |answer: &Response| header(answer, "set-cookie");
    let behind = log_in(&server, PROXY, ADMIN_PASSWORD).await;
    assert_eq!(behind.status(), 200);
    assert!(cookie(&behind).starts_with("__Host-") && cookie(&behind).contains("; Secure"));
    let direct = log_in(&server, STRANGER, ADMIN_PASSWORD).await;
    assert!(!cookie(&direct).contains("Secure"), "{}", cookie(&direct));
    // The session that began behind the proxy is found there again.
    let value = cookie(&behind).split(';').next().unwrap().to_owned();
    let request = server.nobody().from(PROXY).send("GET", "/api/v2.0/users/current");
    let request = request.header("cookie", value).header("x-forwarded-proto", "https");
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_audit_log_has_the_clients_address_and_not_one_that_it_made_up() {
    let server = server();
    assert_eq!(log_in(&server, PROXY, ADMIN_PASSWORD).await.status(), 200);
    assert_eq!(log_in(&server, STRANGER, ADMIN_PASSWORD).await.status(), 200);
    let requests: Vec<String> =
        server.log().lines().filter(|line| line.contains("/c/login")).map(str::to_owned).collect();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[0].contains(CLIENT), "{}", requests[0]);
    assert!(requests[1].contains("127.0.0.6") && !requests[1].contains(CLIENT), "{}", requests[1]);
    let sessions = "SELECT address FROM session ORDER BY created_at";
    let found: Vec<(String,)> = server.database().await.rows(sessions, &[]).await;
    let found: Vec<String> = found.into_iter().map(|(address,)| address).collect();
    assert_eq!(found, [CLIENT, "127.0.0.6"]);
}

/// Guesses at many accounts from one network are slowed down. Who may name another network with
/// each request is not slowed down at all.
#[tokio::test]
async fn a_client_cannot_leave_its_network_by_naming_another() {
    let server = server();
    let turn_on = serde_json::json!({"self_registration": true});
    assert_eq!(server.admin().json("PUT", "/api/v2.0/configurations", &turn_on).await, 200);
    let mut refused = 0;
    for n in 0..40 {
        let stranger = server.person("admin", "wrong-Password-1").from(STRANGER);
        let request = stranger.send("GET", "/v2/");
        let request = request.header("x-forwarded-for", format!("198.51.{n}.1"));
        refused += u32::from(request.send().await.unwrap().status() == 429);
    }
    assert!(refused > 20, "only {refused} of 40 guesses at one account were refused");
    let form = |address: &str| {
        let request = server.nobody().from(PROXY).send("POST", "/c/userExists");
        request.header("x-forwarded-for", address).form(&[("target", "username"), ("value", "x")])
    };
    // Each client behind the proxy has tries of its own.
    let mut last = 0;
    for _ in 0..40 {
        last = form("198.51.100.1").send().await.unwrap().status().as_u16();
    }
    assert_eq!(last, 429);
    let other = form("203.0.113.77").send().await.unwrap().status();
    assert_eq!(other, 200, "a neighbour behind the same proxy is shut out");
}

#[tokio::test]
async fn a_configured_address_is_above_what_proxies_say() {
    let server = Setup::new()
        .env("ROADSTEAD_TRUSTED_PROXIES", "127.0.0.5")
        .env("ROADSTEAD_EXTERNAL_URL", "https://hub.example")
        .start();
    let request = server.nobody().from(PROXY).send("GET", "/v2/");
    let answer = request.header("x-forwarded-proto", "http").send().await.unwrap();
    assert!(header(&answer, "www-authenticate").contains("realm=\"https://"));
}
