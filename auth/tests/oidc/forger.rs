//! A provider whose every answer a test can forge.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use roadstead_auth::oidc::{Callback, Error, Login, Provider, Settings};
use roadstead_model::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What must never be seen in an error.
pub(crate) const CLIENT_SECRET: &str = "hunter2 of the:client+";
pub(crate) const CODE: &str = "hunter2-of-the-code";
pub(crate) const ACCESS_TOKEN: &str = "hunter2-of-the-access-token";
pub(crate) const REFRESH_TOKEN: &str = "hunter2-of-the-refresh-token";

/// Making one takes long.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

/// Makes an answer to a request's body.
type Answer = Arc<dyn Fn(&str) -> Response + Send + Sync>;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) form: BTreeMap<String, String>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    seen: Mutex<Vec<Seen>>,
}

/// The provider; it ends when dropped.
pub(crate) struct Forger {
    pub(crate) issuer: String,
    pub(crate) key: &'static KeyPair,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Forger {
    /// A provider that does everything right until it is told otherwise.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let router = router(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let forger = Self { issuer, key: &KEY, shared, server };
        forger.answer_json("/.well-known/openid-configuration", forger.document());
        forger.answer_json("/jwks", json!({"keys": [forger.jwk("first")]}));
        forger
    }

    /// The discovery document.
    pub(crate) fn document(&self) -> Value {
        document(&self.issuer)
    }

    /// The public key with an id.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let public = self.key.public_key();
        json!({
            "kty": "RSA", "use": "sig", "kid": id,
            "n": BASE64.encode(public.modulus().big_endian_without_leading_zero()),
            "e": BASE64.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// What the provider answers at a path from now on.
    pub(crate) fn answer(
        &self,
        path: &str,
        answer: impl Fn(&str) -> Response + Send + Sync + 'static,
    ) {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), Arc::new(answer));
    }

    /// As [`Self::answer`], with status 200 and JSON.
    pub(crate) fn answer_json(&self, path: &str, value: Value) {
        self.answer(path, move |_| axum::Json(value.clone()).into_response());
    }

    /// As [`Self::answer`], with a status and a text.
    pub(crate) fn answer_text(&self, path: &str, status: u16, text: &str) {
        let text = text.to_owned();
        self.answer(path, move |_| {
            Response::builder().status(status).body(Body::from(text.clone())).unwrap()
        });
    }

    /// The requests for a path so far.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    pub(crate) fn settings(&self) -> Settings {
        let here = "https://registry.example.com/c/oidc/callback";
        Settings {
            groups_claim: "groups".to_owned(),
            ..Settings::new(&self.issuer, "registry", CLIENT_SECRET, here)
        }
    }

    pub(crate) async fn provider(&self) -> Result<Provider, Error> {
        self.provider_at(Arc::new(SystemClock)).await
    }

    pub(crate) async fn provider_at(&self, clock: Arc<dyn Clock>) -> Result<Provider, Error> {
        harmless(Provider::discover(self.settings(), clock).await)
    }

    /// The claims of a good `id_token`, complete, so that nothing is asked of userinfo.
    pub(crate) fn claims(&self, nonce: &str) -> Value {
        let now = SystemClock.now().seconds();
        json!({
            "iss": self.issuer, "aud": "registry", "sub": "subject-1", "nonce": nonce,
            "iat": now, "exp": now + 300, "preferred_username": "alice",
            "email": "alice@example.com", "groups": ["devs"],
        })
    }

    /// Signs with the provider's key and RS256, whatever the header says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        sign(self.key, header, claims)
    }

    /// Signs good headers with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "RS256", "kid": "first", "typ": "JWT"}), claims)
    }

    /// A login with an `id_token` that is made from its nonce.
    pub(crate) async fn login_with(
        &self,
        provider: &Provider,
        make: impl Fn(&str) -> String,
    ) -> Result<Login, Error> {
        self.log_in(provider, |nonce| self.answer_json("/token", tokens(&make(nonce)))).await
    }

    /// A login with good claims, changed.
    pub(crate) async fn login_with_claims(
        &self,
        provider: &Provider,
        change: impl Fn(&mut Value),
    ) -> Result<Login, Error> {
        let make = |nonce: &str| {
            let mut claims = self.claims(nonce);
            change(&mut claims);
            self.token(&claims)
        };
        self.login_with(provider, make).await
    }

    /// A login with whatever the endpoints answer by now.
    pub(crate) async fn login(&self, provider: &Provider) -> Result<Login, Error> {
        self.log_in(provider, |_| {}).await
    }

    /// A login, before whose end something can be prepared that needs its nonce.
    async fn log_in(&self, provider: &Provider, prepare: impl Fn(&str)) -> Result<Login, Error> {
        let begin = harmless(provider.begin().await)?;
        let query: HashMap<_, _> = begin.url.query_pairs().into_owned().collect();
        prepare(&query["nonce"]);
        let callback = Callback::parse(&format!("code={CODE}&state={}", query["state"])).unwrap();
        harmless(provider.finish(&callback, &begin.pending).await)
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The token endpoint's answer with this `id_token`.
pub(crate) fn tokens(id_token: &str) -> Value {
    json!({
        "access_token": ACCESS_TOKEN, "token_type": "bearer", "expires_in": 60,
        "refresh_token": REFRESH_TOKEN, "id_token": id_token,
    })
}

/// Signs with RS256, whatever the header says.
pub(crate) fn sign(key: &KeyPair, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", BASE64.encode(signature))
}

/// A complete discovery document.
pub(crate) fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "end_session_endpoint": format!("{issuer}/logout"),
    })
}

/// The clock of a test that moves it, which begins now.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.now()))
}

/// A part of a token.
pub(crate) fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

/// The `at_hash` that goes with RS256.
pub(crate) fn at_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    BASE64.encode(&hash.as_ref()[..16])
}

/// Whatever the error is, it holds no secret.
pub(crate) fn harmless<T>(result: Result<T, Error>) -> Result<T, Error> {
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("eyJ"), "{shown}");
    }
    result
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(shared)
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let authorization = parts.headers.get("authorization");
    let path = parts.uri.path().to_owned();
    shared.seen.lock().unwrap().push(Seen {
        path: path.clone(),
        authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
        form: form_urlencoded::parse(body.as_bytes()).into_owned().collect(),
    });
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    match answer {
        Some(answer) => answer(&body),
        None => Response::builder().status(404).body(Body::empty()).unwrap(),
    }
}
