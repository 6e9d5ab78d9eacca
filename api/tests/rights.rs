//! What robots, custom roles and groups may do with projects, asked of the router itself: nothing
//! but the database makes them here.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use roadstead_auth::accounts::{self, ADMIN, NewAccount};
use roadstead_auth::permissions::Entry;
use roadstead_auth::robots::NewRobotAccount;
use roadstead_auth::{Auth, SecretKey};
use roadstead_model::{Action, Clock, Origin, Permission, Resource, RoleId, SystemClock};
use roadstead_registry::{Limits, Registry};
use roadstead_storage::tables::binding::Scope;
use roadstead_storage::tables::role::{self, Kind};
use roadstead_storage::tables::{group, project, setting};
use roadstead_storage::{Blobs, Db};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const PASSWORD: &str = "Password-1";

struct World {
    db: Db,
    auth: Auth,
    api: Router,
    clock: Arc<dyn Clock>,
    _directory: tempfile::TempDir,
}

/// An administrator, the people alice and bob, and alice's private project `team`.
async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("test.db").display());
    let db = Db::open(&url, 2).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secret = SecretKey::generate().unwrap();
    let auth = Auth::new(db.clone(), &secret, clock.clone(), "http://localhost").await.unwrap();
    let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
    let limits = Limits::default();
    let registry = Registry::new(db.clone(), blobs, clock.clone(), limits).await.unwrap();
    accounts::create_admin(&db, PASSWORD, &*clock).await.unwrap();
    let (api, _) = roadstead_api::routes(
        db.clone(),
        auth.clone(),
        registry,
        clock.clone(),
        "http://localhost",
    );
    let world = World { db, auth, api, clock, _directory: directory };
    for name in ["alice", "bob"] {
        let account = NewAccount {
            name: name.into(),
            email: format!("{name}@example.com"),
            realname: name.into(),
            comment: String::new(),
            password: PASSWORD.into(),
        };
        world.auth.create_user(&world.caller(ADMIN, PASSWORD).await, &account).await.unwrap();
    }
    let body = json!({"project_name": "team"});
    assert_eq!(world.ask(("alice", PASSWORD), "POST", "/projects", body).await.0, 201);
    world
}

impl World {
    async fn caller(&self, name: &str, password: &str) -> roadstead_auth::Caller {
        let headers = request((name, password), "GET", "/ping", Value::Null).headers().clone();
        self.auth.api_caller(&headers, Origin::default()).await.unwrap()
    }

    /// The status, the location and the body of an answer.
    async fn ask(
        &self,
        who: (&str, &str),
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, String, Value) {
        let request = request(who, method, path, body);
        let answer = self.api.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let location = answer.headers().get(LOCATION).map(|value| value.to_str().unwrap());
        let location = location.unwrap_or_default().to_owned();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, location, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// A robot's whole name and its secret.
    async fn robot(&self, name: &str, scope: Scope, access: Vec<Permission>) -> (String, String) {
        let admin = self.caller(ADMIN, PASSWORD).await;
        let entry = Entry { scope, pattern: String::new(), access };
        let new = NewRobotAccount {
            name: name.into(),
            description: String::new(),
            duration: -1,
            project: None,
            permissions: vec![entry],
        };
        let made = self.auth.create_robot(&admin, &new).await.unwrap();
        (format!("robot${}", made.robot.name), made.secret)
    }

    async fn set(&self, key: &str, value: &str) {
        let mut tx = self.db.begin().await.unwrap();
        setting::set(&mut tx, &format!("config.{key}"), value).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn custom_role(&self, name: &str, access: &[Permission]) -> RoleId {
        let mut tx = self.db.begin().await.unwrap();
        let now = self.clock.now();
        let id = role::insert(&mut tx, Kind::Custom, name, "", access, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }
}

fn request((name, password): (&str, &str), method: &str, path: &str, body: Value) -> Request<Body> {
    let credentials = BASE64.encode(format!("{name}:{password}"));
    Request::builder()
        .method(method)
        .uri(format!("/api/v2.0{path}"))
        .header(AUTHORIZATION, format!("Basic {credentials}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

const ADMINISTRATOR: (&str, &str) = (ADMIN, PASSWORD);
const ALICE: (&str, &str) = ("alice", PASSWORD);
const BOB: (&str, &str) = ("bob", PASSWORD);

fn may(resource: Resource, action: Action) -> Permission {
    Permission::new(resource, action)
}

#[tokio::test]
async fn robots_make_projects_for_the_administrator_if_they_were_allowed_to() {
    let world = world().await;
    let create = vec![may(Resource::Project, Action::Create)];
    let (maker, secret) = world.robot("maker", Scope::System, create).await;
    let maker = (maker.as_str(), secret.as_str());
    let body = json!({"project_name": "made", "storage_limit": 4096});
    let (status, location, _) = world.ask(maker, "POST", "/projects", body).await;
    assert_eq!((status, location.as_str()), (201, "/api/v2.0/projects/2"));
    let (_, _, made) = world.ask(ADMINISTRATOR, "GET", "/projects/made", Value::Null).await;
    assert_eq!(made["owner_name"], "admin");
    let (_, _, quota) = world.ask(ADMINISTRATOR, "GET", "/quotas/2", Value::Null).await;
    assert_eq!(quota["hard"], json!({"storage": 4096}));
    let other = vec![may(Resource::Project, Action::List)];
    let (other, secret) = world.robot("other", Scope::System, other).await;
    let body = json!({"project_name": "refused"});
    let (status, _, answer) = world.ask((&other, &secret), "POST", "/projects", body.clone()).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (403, &json!("FORBIDDEN")));
    let team = project::find(&mut world.db.read().await.unwrap(), "team").await.unwrap().unwrap();
    let all = roadstead_model::catalogue::project();
    let (inside, secret) = world.robot("inside", Scope::Project(team.id), all).await;
    let (status, ..) = world.ask((&inside, &secret), "POST", "/projects", body).await;
    assert_eq!(status, 403, "rights in a project make no projects");
}

#[tokio::test]
async fn making_projects_can_be_left_to_administrators() {
    let world = world().await;
    world.set("project_creation_restriction", "adminonly").await;
    world.set("storage_per_project", "1000").await;
    let create = vec![may(Resource::Project, Action::Create)];
    let (maker, secret) = world.robot("maker", Scope::System, create).await;
    // Settings are read again after two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let body = json!({"project_name": "mine"});
    let (status, _, answer) = world.ask(ALICE, "POST", "/projects", body.clone()).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (403, &json!("FORBIDDEN")));
    assert_eq!(world.ask(ADMINISTRATOR, "POST", "/projects", body).await.0, 201);
    let body = json!({"project_name": "made"});
    assert_eq!(world.ask((&maker, &secret), "POST", "/projects", body).await.0, 201);
    let (_, _, quotas) = world.ask(ADMINISTRATOR, "GET", "/quotas", Value::Null).await;
    let limits: Vec<&Value> =
        quotas.as_array().unwrap().iter().map(|quota| &quota["hard"]["storage"]).collect();
    assert_eq!(limits, [-1, 1000, 1000], "new projects get the default");
}

#[tokio::test]
async fn nobody_hands_out_a_role_that_allows_more_than_they_may() {
    let world = world().await;
    let members =
        [Action::Create, Action::Update, Action::List].map(|action| may(Resource::Member, action));
    let manager = world.custom_role("member manager", &members).await;
    let reader = world.custom_role("member reader", &members[2..]).await;
    let path = "/projects/team/members";
    let body = |name: &str, role: i64| json!({"role_id": role, "member_user": {"username": name}});
    let (status, location, _) = world.ask(ALICE, "POST", path, body("bob", manager.0)).await;
    assert_eq!(status, 201, "a custom role is a role");
    let (_, _, bob) =
        world.ask(ALICE, "GET", location.trim_start_matches("/api/v2.0"), Value::Null).await;
    assert_eq!(bob["role_name"], "member manager");
    for role in [1, 2, 3, 4, 5] {
        let (status, _, answer) = world.ask(BOB, "POST", path, body("admin", role)).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (403, &json!("DENIED")), "{role}");
    }
    let own = format!("{path}/{}", bob["id"]);
    assert_eq!(world.ask(BOB, "PUT", &own, json!({"role_id": 1})).await.0, 403);
    let admin = world.ask(BOB, "POST", path, body("admin", reader.0)).await;
    assert_eq!(admin.0, 201, "what they may do themselves they may give");
    for role in [0, 6_000, -1] {
        assert_eq!(world.ask(ALICE, "POST", path, body("bob", role)).await.0, 400, "{role}");
        assert_eq!(world.ask(ALICE, "PUT", &own, json!({"role_id": role})).await.0, 400, "{role}");
    }
    // A robot that has everything that robots can have administers members like an admin.
    let team = project::find(&mut world.db.read().await.unwrap(), "team").await.unwrap().unwrap();
    let all = roadstead_model::catalogue::project();
    let (strong, secret) = world.robot("strong", Scope::Project(team.id), all).await;
    assert_eq!(world.ask((&strong, &secret), "PUT", &own, json!({"role_id": 1})).await.0, 200);
    let (weak, secret) = world.robot("weak", Scope::Project(team.id), members.to_vec()).await;
    assert_eq!(world.ask((&weak, &secret), "PUT", &own, json!({"role_id": 3})).await.0, 403);
}

#[tokio::test]
async fn groups_are_members_by_id_by_name_and_by_distinguished_name() {
    let world = world().await;
    let now = world.clock.now();
    let mut tx = world.db.begin().await.unwrap();
    let dn = "cn=Devs,ou=groups,dc=example,dc=com";
    let ldap = group::insert(&mut tx, "devs", group::LDAP, dn, now).await.unwrap();
    let oidc = group::insert(&mut tx, "devs", group::OIDC, "", now).await.unwrap();
    tx.commit().await.unwrap();
    let path = "/projects/1/members";
    let given = async |group: Value| {
        let body = json!({"role_id": 2, "member_user": {}, "member_group": group});
        let (status, location, _) = world.ask(ALICE, "POST", path, body).await;
        if status != 201 {
            return Err(status);
        }
        let one = location.trim_start_matches("/api/v2.0").to_owned();
        let (_, _, member) = world.ask(ALICE, "GET", &one, Value::Null).await;
        assert_eq!(world.ask(ALICE, "DELETE", &one, Value::Null).await.0, 200);
        assert_eq!(member["entity_type"], "g");
        assert_eq!(member["entity_name"], "devs");
        Ok(member["entity_id"].as_i64().unwrap())
    };
    assert_eq!(given(json!({"id": oidc.0})).await, Ok(oidc.0));
    assert_eq!(given(json!({"group_name": "devs", "group_type": 1})).await, Ok(ldap.0));
    assert_eq!(given(json!({"group_name": "devs"})).await, Err(400), "two have this name");
    let dn = "CN=Devs,OU=groups,DC=example,DC=com";
    assert_eq!(given(json!({"ldap_group_dn": dn})).await, Ok(ldap.0));
    assert_eq!(given(json!({"group_name": "ops", "group_type": 3})).await, Err(404));
    assert_eq!(given(json!({})).await, Err(400));
}
