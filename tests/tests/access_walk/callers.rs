//! Every kind of caller there is.

use roadstead_tests::cast::{PASSWORD, ROLES, Robot, in_project, on_system};
use roadstead_tests::http::Person;
use serde_json::json;

use crate::samples::Samples;

/// A column of the snapshot.
pub struct Caller {
    pub name: &'static str,
    pub person: Person,
}

/// Everything that a robot of a project can be given.
const ALL_OF_PROJECT: &str = "\
    log:list project:read project:delete project:update metadata:read metadata:create \
    metadata:delete metadata:list metadata:update repository:read repository:update \
    repository:delete repository:list repository:pull repository:push artifact:read \
    artifact:create artifact:list artifact:delete tag:create tag:list tag:delete \
    immutable-tag:create immutable-tag:delete immutable-tag:list immutable-tag:update \
    label:create label:delete label:list label:read label:update artifact-label:create \
    artifact-label:delete quota:read robot:create robot:read robot:list robot:delete member:create member:read \
    member:update member:list member:delete tag-retention:create tag-retention:read \
    tag-retention:list tag-retention:update tag-retention:delete";

/// All of them; the first is nobody.
pub async fn callers(samples: &Samples) -> Vec<Caller> {
    let server = &samples.server;
    let admin = server.admin();
    let person = |name: &'static str| Caller { name, person: server.person(name, PASSWORD) };
    let mut all = vec![Caller { name: "nobody", person: server.nobody() }];
    for name in ["plain", "patterned", "disabled", "deleted"] {
        admin.create_user(name).await;
    }
    all.push(person("plain"));
    for (name, role) in ROLES.into_iter().rev() {
        if name != "project-admin" {
            admin.create_user(name).await;
            admin.add_member("ours", name, role, "").await;
        }
        all.push(person(name));
    }
    let role = samples.role_of_pattern();
    admin.add_member("ours", "patterned", role, "spa*").await;
    all.push(person("patterned"));
    all.push(person("foreign-admin"));
    all.push(Caller { name: "sysadmin", person: admin.clone() });
    all.extend(robots_and_tokens(samples).await);
    all.extend(gone(samples).await);
    all
}

async fn robots_and_tokens(samples: &Samples) -> Vec<Caller> {
    let server = &samples.server;
    let admin = server.admin();
    let robot = |name, robot: Robot| Caller { name, person: server.robot(&robot) };
    let words = "user:list user:read user:create user:update user:delete project:list quota:list quota:read \
                 audit-log:list robot:list robot:read user-group:list system-volumes:read";
    let of_system = [on_system(words)];
    let owner = server.person("project-admin", PASSWORD);
    let pull = in_project("ours", "repository:pull");
    let (_, token) = owner.personal_token("pull", &[pull]).await;
    vec![
        robot("project-robot", admin.project_robot("ours", "all", ALL_OF_PROJECT).await),
        robot("pull-robot", admin.project_robot("ours", "pull", "repository:pull").await),
        robot("system-robot", admin.robot_with("system", "some", &of_system).await),
        Caller { name: "pull-token", person: server.person("project-admin", &token) },
    ]
}

/// Those who may do nothing any more.
async fn gone(samples: &Samples) -> Vec<Caller> {
    let server = &samples.server;
    let admin = server.admin();
    let (disabled, deleted) =
        (server.person("disabled", PASSWORD), server.person("deleted", PASSWORD));
    for name in ["disabled", "deleted"] {
        admin.add_member("ours", name, 1, "").await;
    }
    let path = format!("/api/v2.0/users/{}/disabled", disabled.user_id().await);
    assert_eq!(admin.json("PUT", &path, &json!({"disabled": true})).await, 200);

    let session = server.browser(&server.log_in("deleted", PASSWORD).await.cookie);
    let pull = in_project("ours", "repository:pull");
    let (_, token) = deleted.personal_token("left", &[pull]).await;
    let path = format!("/api/v2.0/users/{}", deleted.user_id().await);
    assert_eq!(admin.status_of("DELETE", &path).await, 200);

    let expired = admin.project_robot("ours", "expired", ALL_OF_PROJECT).await;
    let known = admin.project_robot("ours", "known", ALL_OF_PROJECT).await;
    let statement = "UPDATE robot SET expires_at = 1 WHERE principal_id = CAST($1 AS BIGINT)";
    let changed = server.database().await.execute(statement, &[&expired.id.to_string()]).await;
    assert_eq!(changed, 1);
    let wrong = Robot { secret: format!("{}x", known.secret), ..known };
    vec![
        Caller { name: "disabled", person: disabled },
        Caller { name: "session-of-deleted", person: session },
        Caller { name: "deleted-token", person: server.person("deleted", &token) },
        Caller { name: "expired-robot", person: server.robot(&expired) },
        Caller { name: "wrong-secret", person: server.robot(&wrong) },
    ]
}
