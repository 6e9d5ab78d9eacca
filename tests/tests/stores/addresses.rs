//! By which address a store is reached, and whose certificate is trusted there.

use roadstead_tests::content::{random_bytes, rng};
use roadstead_tests::http::header;
use roadstead_tests::stores::{Faults, PART, S3s, Store, Tls, left_out};
use roadstead_tests::{ADMIN_PASSWORD, Server, Setup};

const DOMAIN: &str = "s3.example.test";

/// Blobs of both kinds, there and back; returns the address of the last.
async fn assert_works(server: &Server) -> String {
    let mut rng = rng();
    let mut path = String::new();
    for size in [1000, 2 * PART + 1000] {
        let blob = random_bytes(&mut rng, size);
        let digest = server.admin().push_blob("library/secured", &blob).await;
        path = format!("/v2/library/secured/blobs/{digest}");
        assert!(server.admin().get(&path).await.bytes().await.unwrap() == blob);
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_a_certificate_of_the_houses_own_is_trusted_where_that_is_said() {
    if left_out(Store::S3s) {
        return;
    }
    let tls = Tls::start(&S3s::shared().endpoint());
    let place = Store::S3s.place().behind(&tls.endpoint());
    let trusting = |authority: String| place.setup().env("ROADSTEAD_STORAGE_CA_CERT", authority);
    let server = trusting(tls.authority().display().to_string()).start();
    assert_works(&server).await;
    let stranger = Tls::start(&S3s::shared().endpoint());
    for setup in [place.setup(), trusting(stranger.authority().display().to_string())] {
        let said = setup.fails_to_start();
        assert!(said.contains("certificate is not trusted; set storage_ca_cert"), "{said}");
    }
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem").display().to_string();
    let said = trusting(empty.clone()).fails_to_start();
    assert!(said.contains(&empty), "{said}");
    std::fs::write(&empty, "no certificate\n").unwrap();
    let said = trusting(empty.clone()).fails_to_start();
    assert!(said.contains(&empty) && said.contains("no certificate is in it"), "{said}");
}

/// The names are resolved by a proxy, as they would be by a DNS that has them.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_may_have_a_name_of_its_own() {
    if left_out(Store::S3s) {
        return;
    }
    let store = S3s::with_domain(DOMAIN);
    let (proxy, address) = Faults::start(&store.endpoint(), rng());
    let setup = |style: &str| -> Setup {
        let place = Store::S3s.place().behind(&format!("http://{DOMAIN}"));
        place.setup().env("ROADSTEAD_STORAGE_PATH_STYLE", style).env("HTTP_PROXY", &address)
    };
    let server = setup("false").env("ROADSTEAD_STORAGE_REDIRECT", "on").start();
    let client = reqwest::Client::builder().proxy(reqwest::Proxy::http(&address).unwrap());
    let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let blob = random_bytes(&mut rng(), PART + 1000);
    let digest = server.admin().push_blob("library/named", &blob).await;
    let url = server.url(&format!("/v2/library/named/blobs/{digest}"));
    let direct = reqwest::Client::builder().no_proxy();
    let direct = direct.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent = direct.get(url).basic_auth("admin", Some(ADMIN_PASSWORD)).send().await.unwrap();
    let sent = header(&sent, "location");
    assert!(sent.starts_with(&format!("http://tests.{DOMAIN}/p")), "{sent}");
    assert!(client.get(sent).send().await.unwrap().bytes().await.unwrap() == blob);
    server.assert_clean(&["--deep"]);
    drop(server);
    assert_works(&setup("true").start()).await;
    assert!(proxy.counts().0 > 0, "nothing came through the proxy");
}
