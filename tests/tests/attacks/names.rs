//! Names that look like somebody or something that has rights.

use roadstead_tests::cast::PASSWORD;
use roadstead_tests::http::Person;
use serde_json::{Value, json};

use crate::Tenants;

/// Tries what a user without any rights may not do.
async fn assert_no_rights(caller: &Person, name: &str) {
    assert_eq!(caller.status_of("GET", "/v2/").await, 200, "{name:?}");
    for (method, path, refused) in [
        ("GET", "/v2/hers/app/manifests/v1", 401),
        ("POST", "/v2/hers/app/blobs/uploads/", 401),
        ("DELETE", "/v2/hers/app/manifests/v1", 401),
        ("POST", "/v2/library/x/blobs/uploads/", 401),
        ("GET", "/api/v2.0/users", 403),
        ("GET", "/api/v2.0/configurations", 403),
        ("GET", "/api/v2.0/projects/hers", 403),
        ("GET", "/api/v2.0/projects/hers/members", 403),
    ] {
        assert_eq!(caller.status_of(method, path).await, refused, "{method} {path} as {name:?}");
    }
}

fn account(name: &str, email: &str) -> Value {
    json!({"username": name, "password": PASSWORD, "realname": "x", "email": email})
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_comes_from_the_name_of_a_person() {
    let tenants = Tenants::new().await;
    let admin = tenants.server.admin();
    // A name that would be read as a robot's, or end in the middle of a Basic header.
    for name in ["robot$hers+ci", "alice:x", "ad\u{0}min", "admin\n", "a,b", ""] {
        let body = account(name, "x@example.com");
        assert_eq!(admin.json("POST", "/api/v2.0/users", &body).await, 400, "{name:?}");
    }
    let names = [
        "Admin",
        "ADMIN",
        "admin ",
        " admin",
        "admin.",
        "\u{430}dmin",
        "administrator",
        "root",
        "system",
        "anonymous",
        "nobody",
        "unknown",
        "robot",
        "robot+hers",
        "hers",
        "hers+ci",
        "scanner-8a7f2c",
        "harbor-jobservice",
        "proxy-cache",
        "Alice",
        "alice via token x",
        "1",
        "%",
        "../admin",
    ];
    let mut made = 0;
    for (at, name) in names.into_iter().enumerate() {
        let body = account(name, &format!("{at}@example.com"));
        match admin.json("POST", "/api/v2.0/users", &body).await {
            201 => made += 1,
            // What the rules for names refuse cannot be tried.
            400 => continue,
            other => panic!("{other}: {name:?}"),
        }
        let caller = tenants.server.person(name, PASSWORD);
        assert_no_rights(&caller, name).await;
        let own = caller.read_json("/api/v2.0/users/current").await;
        assert_eq!(own["sysadmin_flag"], false, "{name:?}");
    }
    assert!(made > 15, "{made} accounts were made");
    // Nor from the name of another in a mail address: the account with the name comes first.
    let body = account("eve", "alice@evil.example");
    assert_eq!(admin.json("POST", "/api/v2.0/users", &body).await, 201);
    let taken = account("alice@example.com", "eve2@example.com");
    if admin.json("POST", "/api/v2.0/users", &taken).await == 201 {
        assert_no_rights(&tenants.server.person("alice@example.com", PASSWORD), "a mail").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_comes_from_the_name_of_a_robot_or_a_project() {
    let tenants = Tenants::new().await;
    for name in ["admin", "alice", "system", "robot", "scanner-8a7f2c", "proxy-cache", "hers"] {
        let robot = tenants.mallory.project_robot("his", name, "repository:pull").await;
        assert_no_rights(&tenants.server.robot(&robot), &robot.name).await;
        // Its name is not that of the person or the project that it is called like.
        for other in [name, &format!("robot${name}"), &format!("robot$hers+{name}")] {
            let status = tenants.server.person(other, &robot.secret).status_of("GET", "/v2/").await;
            assert_eq!(status, 401, "{other}");
        }
    }
    for name in ["his+x", "hers+ci", "a/b", "Admin", "a$b", "..", ""] {
        let permissions = json!([{"kind": "project", "namespace": "his", "access":
            [{"resource": "repository", "action": "pull"}]}]);
        let body =
            json!({"name": name, "level": "project", "duration": -1, "permissions": permissions});
        assert_eq!(tenants.mallory.json("POST", "/api/v2.0/robots", &body).await, 400, "{name:?}");
    }
    for name in ["admin", "alice", "system", "robot", "library-2", "v2", "projectadmin"] {
        tenants.mallory.create_project(name, false).await;
    }
    assert_no_rights(&tenants.mallory, "the owner of look-alikes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_comes_from_what_a_client_says_of_itself() {
    let tenants = Tenants::new().await;
    for (header, value) in [
        ("user-agent", "harbor-registry-client"),
        ("user-agent", "harbor-scanner-adapter/1.0"),
        ("x-forwarded-user", "admin"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-remote-user", "admin"),
        ("x-harbor-secret", "secret"),
        ("x-original-url", "/v2/"),
        ("x-rewrite-url", "/v2/"),
        ("x-http-method-override", "HEAD"),
        ("x-is-resource-name", "true"),
    ] {
        let request = tenants.mallory.send("GET", "/v2/hers/app/manifests/v1");
        let answer = request.header(header, value).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{header}: {value}");
        let request = tenants.mallory.send("GET", "/api/v2.0/users").header(header, value);
        assert_eq!(request.send().await.unwrap().status(), 403, "{header}: {value}");
    }
    let request = tenants.server.nobody().send("GET", "/api/v2.0/users/current");
    let secret = request.header("authorization", "Harbor-Secret secret").send().await.unwrap();
    assert_eq!(secret.status(), 401);
}
