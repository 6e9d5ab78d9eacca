//! A real OpenID Connect provider: `oidc-provider` under Node.js, on a port of its own.
//!
//! This file stands alone, so that a crate's own tests can include it by its path.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde_json::{Value, json};

/// The client that is registered for `id_token`s signed with RS256. For the others it is this with
/// `-PS384`, `-ES256`, `-ES384` or `-EdDSA` behind.
pub const CLIENT_ID: &str = "roadstead";
/// The secret of every client; it has characters that must be encoded in credentials.
pub const CLIENT_SECRET: &str = "Tests only: a+b%c/d=";

/// How many pages a login may have.
const MOST_PAGES: usize = 20;

/// Whether the short run was asked for, which needs no Node.js; says so.
pub fn left_out() -> bool {
    let short = std::env::var("ROADSTEAD_TEST_QUICK").is_ok_and(|value| value == "1");
    if short {
        println!("left out: the short run was asked for, and this needs Node.js");
    }
    short
}

/// How a provider is started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Where logins may return to.
    pub redirect_uris: Vec<String>,
    /// Where logouts may return to.
    pub post_logout_redirect_uris: Vec<String>,
    /// Whether all claims are in the `id_token`, or most at the userinfo endpoint only.
    pub claims_in_id_token: bool,
}

/// A running provider; killed when dropped.
#[derive(Debug)]
pub struct Provider {
    child: Child,
    issuer: String,
    client: Client,
}

impl Provider {
    /// Starts a provider without users, installing it first if necessary.
    pub fn start(setup: &Setup) -> Self {
        let directory = install();
        let argument = json!({
            "redirect_uris": setup.redirect_uris,
            "post_logout_redirect_uris": setup.post_logout_redirect_uris,
            "claims_in_id_token": setup.claims_in_id_token,
            "secret": CLIENT_SECRET,
        });
        let mut child = Command::new("node")
            .arg("provider.mjs")
            .arg(argument.to_string())
            .current_dir(directory)
            // It ends when this end of its input is gone, however the test ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("node is missing: run `make tools`");
        let output = child.stdout.take().expect("its output");
        let client = Client::builder().no_proxy().redirect(Policy::none()).build();
        let client = client.expect("a client");
        // From here on dropping it ends the process.
        let mut provider = Self { child, issuer: String::new(), client };
        BufReader::new(output).read_line(&mut provider.issuer).expect("its first line");
        provider.issuer.truncate(provider.issuer.trim_end().len());
        assert!(provider.issuer.starts_with("http://"), "the provider did not start");
        provider
    }

    /// The issuer: the URL of the provider without a slash at the end.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Sets the claims of a user, new or known, from now on: `email`, `email_verified`, `name`,
    /// `preferred_username`, `groups`.
    pub async fn set_user(&self, name: &str, claims: &Value) {
        let url = format!("{}/control/users/{name}", self.issuer);
        let answer = self.client.put(url).body(claims.to_string()).send().await;
        assert_eq!(answer.expect("an answer").status(), 204, "setting {name}");
    }

    /// Removes a user: logins and refreshes fail from now on.
    pub async fn block(&self, name: &str) {
        self.set_user(name, &Value::Null).await;
    }

    /// Logs in as `user` and consents, from an authorization URL to the URL that the provider
    /// sends the browser back to, which is not requested. A new browser every time.
    pub async fn log_in(&self, authorization_url: &str, user: &str) -> Url {
        let mut browser = Browser { client: self.client.clone(), cookies: BTreeMap::new() };
        let mut url = Url::parse(authorization_url).expect("a URL");
        for _ in 0..MOST_PAGES {
            if !url.as_str().starts_with(&self.issuer) {
                return url;
            }
            let page = browser.send(browser.client.get(url.clone())).await;
            if let Some(next) = next_address(&page) {
                url = next;
                continue;
            }
            let (status, text) = (page.status(), page.text().await.expect("a page"));
            assert!(status.is_success(), "{url} answers {status}: {text}");
            let form = [("prompt", prompt(&text)), ("login", user), ("password", "any")];
            let answer = browser.send(browser.client.post(url.clone()).form(&form)).await;
            url = next_address(&answer).expect("a form leads on");
        }
        panic!("the login of {user} has no end");
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a page asks for: the provider's forms say it in a hidden field.
fn prompt(page: &str) -> &'static str {
    let asks = |prompt: &str| page.contains(&format!("name=\"prompt\" value=\"{prompt}\""));
    match () {
        () if asks("login") => "login",
        () if asks("consent") => "consent",
        () => panic!("neither login nor consent: {page}"),
    }
}

fn next_address(answer: &Response) -> Option<Url> {
    let location = answer.headers().get(LOCATION)?.to_str().expect("text");
    Some(answer.url().join(location).expect("a URL"))
}

/// Keeps cookies; redirects are followed by hand, for some lead to servers that do not exist.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await.expect("an answer");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let pair = cookie.split(';').next().expect("a cookie");
            let (name, value) = pair.split_once('=').expect("a cookie");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// Installs what package-lock.json pins, once; tests of several processes wait for each other.
fn install() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oidc");
    let lock = File::open(directory.join("package-lock.json")).expect("package-lock.json");
    lock.lock().expect("a lock");
    // npm writes the inner file last.
    let changed =
        |file: &str| directory.join(file).metadata().and_then(|file| file.modified()).ok();
    if changed("node_modules/.package-lock.json") < changed("package-lock.json") {
        let output = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .output()
            .expect("npm is missing: run `make tools`");
        assert!(output.status.success(), "npm: {}", String::from_utf8_lossy(&output.stderr));
    }
    directory
}
