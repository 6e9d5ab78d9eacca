//! A server whose people are in a directory, and logins of every kind.

use reqwest::Response;
use roadstead_tests::http::{Person, header};
use roadstead_tests::slapd::{GROUPS, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, Slapd, group_dn};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

pub const IMAGE: &str = "/v2/team/app/manifests/v1";

/// The settings of the directory with groups, at this URL.
pub fn settings(url: &str) -> Value {
    json!({
        "auth_mode": "ldap_auth", "ldap_url": url, "ldap_base_dn": PEOPLE, "ldap_uid": "uid",
        "ldap_search_dn": SEARCH_DN, "ldap_search_password": SEARCH_PASSWORD,
        "ldap_filter": "objectClass=inetOrgPerson", "ldap_timeout": 2,
        "ldap_group_base_dn": GROUPS, "ldap_group_search_filter": "objectClass=groupOfNames",
        "ldap_group_attribute_name": "cn", "ldap_group_admin_dn": group_dn("admins"),
    })
}

pub async fn configure(server: &Server, changes: &Value) -> u16 {
    let request = server.admin().send("PUT", "/api/v2.0/configurations").json(changes);
    request.send().await.unwrap().status().as_u16()
}

/// A server whose people are in a directory.
pub async fn with_directory() -> Option<(Slapd, Server)> {
    let slapd = Slapd::unless_quick()?;
    let server = Setup::new().env("ROADSTEAD_LOG", "trace").start();
    assert_eq!(configure(&server, &settings(&slapd.url())).await, 200);
    Some((slapd, server))
}

/// Makes the private project `team` with an image, and the group a developer there.
pub async fn team_of(server: &Server, group: &str) {
    let admin = server.admin();
    admin.create_project("team", false).await;
    admin.push_image("team/app", "v1", b"a layer").await;
    let added = "INSERT INTO role_binding (principal_id, role_id, scope, project_id, created_at, updated_at)
         SELECT g.principal_id, 2, 'project', p.id, 0, 0 FROM user_group g, project p
         WHERE g.group_name = $1 AND p.name = 'team'";
    assert_eq!(server.database().await.execute(added, &[group]).await, 1);
}

pub async fn current(person: &Person) -> Value {
    let answer = person.get("/api/v2.0/users/current").await;
    assert_eq!(answer.status(), 200, "{person:?}");
    answer.json().await.unwrap()
}

pub async fn status(person: &Person, path: &str) -> u16 {
    person.get(path).await.status().as_u16()
}

/// A login as docker does it, for a token that can be refreshed.
pub async fn docker_login(server: &Server, name: &str, password: &str) -> Response {
    let form = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
        ("access_type", "offline"),
        ("client_id", "docker"),
        ("service", "harbor-registry"),
    ];
    server.nobody().send("POST", "/service/token").form(&form).send().await.unwrap()
}

pub async fn refresh(server: &Server, token: &str) -> Response {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("service", "harbor-registry"),
        ("scope", "repository:team/app:pull"),
    ];
    server.nobody().send("POST", "/service/token").form(&form).send().await.unwrap()
}

/// A login as browsers do it; the cookie.
pub async fn browser_login(server: &Server, name: &str, password: &str) -> Result<String, u16> {
    let form = [("principal", name), ("password", password)];
    let answer = server.nobody().send("POST", "/c/login").form(&form).send().await.unwrap();
    match answer.status().as_u16() {
        200 => Ok(header(&answer, "set-cookie").split(';').next().unwrap().to_owned()),
        status => Err(status),
    }
}
