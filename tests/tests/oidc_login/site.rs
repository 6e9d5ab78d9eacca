//! A server whose people log in at a provider.

use std::time::Duration;

use roadstead_tests::oidc::{self, CLIENT_ID, CLIENT_SECRET, Provider};
use roadstead_tests::{Database, Server, Setup};
use serde_json::{Value, json};

pub struct Site {
    pub provider: Provider,
    pub server: Server,
    db: Database,
}

pub const MINUTE: i64 = 60 * 1_000_000;

impl Site {
    /// A server and a provider that know of each other.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let site = Self::apart().await;
        site.connect(settings).await;
        site
    }

    /// A server in the mode `db_auth`, and a provider.
    pub async fn apart() -> Self {
        Self::of(Setup::new()).await
    }

    /// The same with a server that is set up like this.
    pub async fn of(setup: Setup) -> Self {
        let server = setup.start();
        let provider = provider_of(&server);
        let db = server.database().await;
        Self { provider, server, db }
    }

    /// One more provider, which knows the server.
    pub fn start_provider(&self) -> Provider {
        provider_of(&self.server)
    }

    pub async fn connect(&self, settings: &[(&str, &str)]) {
        let mut all = vec![
            ("oidc_endpoint", self.provider.issuer()),
            ("oidc_client_id", CLIENT_ID),
            ("oidc_client_secret", CLIENT_SECRET),
            ("oidc_scope", "openid,profile,email,offline_access"),
            ("oidc_groups_claim", "groups"),
            ("oidc_extra_redirect_parms", r#"{"prompt":"consent"}"#),
        ];
        all.extend_from_slice(settings);
        self.configure(&all).await;
        self.set_mode("oidc_auth").await;
    }

    /// Changes the configuration, which is in effect at once.
    pub async fn configure(&self, settings: &[(&str, &str)]) {
        let value = |text: &str| match text {
            "true" | "false" => json!(text == "true"),
            text => json!(text),
        };
        let pairs = settings.iter().map(|(key, text)| ((*key).to_owned(), value(text)));
        let body = Value::Object(pairs.collect());
        let request = self.server.admin().send("PUT", "/api/v2.0/configurations").json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// Changes the mode, also when there are accounts, as somebody does who sets it where the
    /// server is started; and waits until it is in effect.
    pub async fn set_mode(&self, mode: &str) {
        let statement = "INSERT INTO setting (name, value) VALUES ('config.auth_mode', $1)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.db.execute(statement, &[mode]).await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }

    /// Runs a statement on the database, with one text; returns how many rows it changed.
    pub async fn execute(&self, statement: &'static str, text: &str) -> u64 {
        self.db.execute(statement, &[text]).await
    }

    /// The number that a query with one text answers.
    pub async fn number(&self, query: &'static str, text: &str) -> i64 {
        self.db.row::<(i64,)>(query, &[text]).await.0
    }

    pub async fn id(&self, name: &str) -> i64 {
        self.number("SELECT id FROM principal WHERE kind = 'user' AND name = $1", name).await
    }

    /// Lets the provider's last word about a person be so many minutes old.
    pub async fn age(&self, name: &str, minutes: i64) {
        let statement = "UPDATE oidc_account
             SET checked_at = checked_at - CAST($1 AS BIGINT), ask_again_at = 0
             WHERE principal_id = (SELECT id FROM principal WHERE kind = 'user' AND name = $2)";
        let changed = self.db.execute(statement, &[&(minutes * MINUTE).to_string(), name]).await;
        assert_eq!(changed, 1);
    }

    /// A private project with an image, in which a group of the provider is a developer.
    pub async fn project_of_group(&self, project: &str, group: &str) {
        let admin = self.server.admin();
        admin.create_project(project, false).await;
        admin.push_image(&format!("{project}/app"), "v1", b"a layer").await;
        let member = json!({
            "role_id": 2, "member_group": {"group_name": group, "group_type": 3},
        });
        let path = format!("/api/v2.0/projects/{project}/members");
        let answer = admin.send("POST", &path).json(&member).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    /// Sets the claims of a person at the provider, who is called the same everywhere.
    pub async fn person(&self, name: &str, groups: &[&str]) {
        let claims = json!({
            "preferred_username": name, "email": format!("{name}@example.com"),
            "email_verified": true, "name": format!("{name} the person"), "groups": groups,
        });
        self.provider.set_user(name, &claims).await;
    }

    /// Gives a person a CLI secret of the administrator's choice.
    pub async fn cli_secret(&self, name: &str, secret: &str) {
        let path = format!("/api/v2.0/users/{}/cli_secret", self.id(name).await);
        let request = self.server.admin().send("PUT", &path).json(&json!({"secret": secret}));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// The status of pulling a project's image with a name and a secret, as docker does: with a
    /// token.
    pub async fn pull(&self, name: &str, secret: &str, project: &str) -> u16 {
        match self.token(name, secret, project).await {
            Ok(token) => self.pull_with(&token, project).await,
            Err(status) => status,
        }
    }

    pub async fn token(&self, name: &str, secret: &str, project: &str) -> Result<String, u16> {
        let path =
            format!("/service/token?service=harbor-registry&scope=repository:{project}/app:pull");
        let answer = self.server.person(name, secret).get(&path).await;
        match answer.status().as_u16() {
            200 => Ok(answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()),
            status => Err(status),
        }
    }

    pub async fn pull_with(&self, token: &str, project: &str) -> u16 {
        let path = format!("/v2/{project}/app/manifests/v1");
        let request = self.server.nobody().send("GET", &path).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }
}

fn provider_of(server: &Server) -> Provider {
    Provider::start(&oidc::Setup {
        redirect_uris: vec![server.url("/c/oidc/callback")],
        post_logout_redirect_uris: vec![server.url("/")],
        claims_in_id_token: false,
    })
}
