//! Things whose ids stand in paths, and bodies that change nothing.

use std::collections::HashMap;

use roadstead_tests::cast::{PASSWORD, in_project};
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::json;
use sqlx::SqlitePool;

use crate::Route;
use crate::requests::{filled, rule};

/// A server with two projects, `ours` and `theirs`, whose administrators are strangers.
pub struct Samples {
    pub server: Server,
    admin: Person,
    /// What stands for each parameter of a path.
    ids: HashMap<&'static str, String>,
    made: u32,
}

/// What belongs to one tenant.
pub struct Tenant {
    pub admin: Person,
    pub ids: HashMap<&'static str, String>,
}

impl Samples {
    pub async fn new() -> Self {
        let server = Setup::new().start();
        let admin = server.admin();
        for name in ["project-admin", "foreign-admin"] {
            admin.create_user(name).await;
        }
        for (project, owner) in [("ours", "project-admin"), ("theirs", "foreign-admin")] {
            let owner = server.person(owner, PASSWORD);
            owner.create_project(project, false).await;
            owner.push_image(&format!("{project}/app"), "v1", b"a layer").await;
        }
        let mut samples = Self { server, admin, ids: HashMap::new(), made: 0 };
        samples.ids = samples.tenant("ours", "project-admin").await.ids;
        for parameter in ["role_id", "group_id", "purge_id"] {
            samples.remake(parameter).await;
        }
        samples
    }

    pub fn ours(&self) -> Tenant {
        Tenant { admin: self.server.person("project-admin", PASSWORD), ids: self.ids.clone() }
    }

    pub async fn theirs(&self) -> Tenant {
        let mut tenant = self.tenant("theirs", "foreign-admin").await;
        for system in ["role_id", "group_id", "purge_id"] {
            tenant.ids.insert(system, self.ids[system].clone());
        }
        tenant
    }

    /// One of everything that a project and a person have.
    async fn tenant(&self, project: &'static str, owner: &str) -> Tenant {
        let admin = self.server.person(owner, PASSWORD);
        let mut ids = HashMap::from([
            ("project_name_or_id", project.to_owned()),
            ("project_name", project.to_owned()),
        ]);
        let answer = admin.read_json(&format!("/api/v2.0/projects/{project}")).await;
        ids.insert("id", answer["project_id"].to_string());
        for parameter in [
            "repository_name",
            "user_id",
            "token_id",
            "mid",
            "robot_id",
            "secret_id",
            "immutable_rule_id",
            "meta_name",
        ] {
            let id = self.make(parameter, &ids, &admin, 0).await;
            ids.insert(parameter, id);
        }
        Tenant { admin, ids }
    }

    /// Makes what a parameter names.
    async fn make(
        &self,
        parameter: &str,
        ids: &HashMap<&'static str, String>,
        admin: &Person,
        nth: u32,
    ) -> String {
        let project = ids["project_name"].clone();
        let below = |what: &str| format!("/api/v2.0/projects/{project}/{what}");
        match parameter {
            "repository_name" => {
                let name = if project == "ours" { "spare" } else { "far" };
                admin.push_image(&format!("{project}/{name}"), "v1", b"a layer").await;
                name.to_owned()
            }
            "user_id" => {
                let name = format!("target-{project}-{nth}");
                self.admin.create_user(&name).await;
                self.server.person(&name, PASSWORD).user_id().await.to_string()
            }
            "token_id" => {
                let pull = in_project("library", "repository:pull");
                let owner = self.owner_of(&ids["user_id"]).await;
                owner.personal_token(&format!("t{nth}"), &[pull]).await.0.to_string()
            }
            "mid" => {
                let user: i64 = ids["user_id"].parse().expect("an id");
                let body = json!({"role_id": 3, "member_user": {"user_id": user}});
                admin.create(&below("members"), &body).await
            }
            "robot_id" => {
                let name = format!("spare-{nth}");
                admin.project_robot(&project, &name, "repository:pull").await.id.to_string()
            }
            "secret_id" => self.secret_of(&ids["robot_id"]).await,
            "immutable_rule_id" => {
                admin.create(&below("immutabletagrules"), &rule(&format!("never-{nth}"))).await
            }
            "meta_name" => {
                let name = if project == "ours" { "auto_scan" } else { "prevent_vul" };
                let status = admin.json("POST", &below("metadatas/"), &json!({name: "true"})).await;
                assert_eq!(status, 200, "metadata");
                name.to_owned()
            }
            _ => panic!("the parameter {{{parameter}}} needs a sample"),
        }
    }

    /// The person with this id, who has the password of all.
    async fn owner_of(&self, id: &str) -> Person {
        let user = self.admin.read_json(&format!("/api/v2.0/users/{id}")).await;
        self.server.person(user["username"].as_str().expect("a name"), PASSWORD)
    }

    async fn secret_of(&self, robot: &str) -> String {
        let secrets = self.admin.read_json(&format!("/api/v2.0/robots/{robot}/secrets")).await;
        secrets[0]["id"].to_string()
    }

    /// Makes anew what one of our parameters names.
    async fn remake(&mut self, parameter: &'static str) {
        self.made += 1;
        let nth = self.made;
        let id = match parameter {
            "role_id" => {
                let permissions = json!([
                    {"resource": "project", "action": "read"},
                    {"resource": "repository", "action": "list"},
                    {"resource": "repository", "action": "pull"},
                    {"resource": "repository", "action": "push"},
                    {"resource": "repository", "action": "read"},
                    {"resource": "repository", "action": "update"},
                    {"resource": "artifact", "action": "list"},
                    {"resource": "member", "action": "list"},
                ]);
                let body = json!({"name": format!("role-{nth}"), "permissions": permissions});
                self.admin.create("/api/v2.0/roles", &body).await
            }
            "group_id" => {
                let body = json!({"group_name": format!("group-{nth}"), "group_type": 3});
                self.admin.create("/api/v2.0/usergroups", &body).await
            }
            "purge_id" => {
                let parameters = json!({
                    "audit_retention_hour": 100_000, "include_event_types": "create_user",
                    "dry_run": true,
                });
                let body = json!({"schedule": {"type": "Manual"}, "parameters": parameters});
                self.admin.create("/api/v2.0/system/purgeaudit/schedule", &body).await
            }
            _ => {
                let admin = self.server.person("project-admin", PASSWORD);
                self.make(parameter, &self.ids, &admin, nth).await
            }
        };
        self.ids.insert(parameter, id);
    }

    /// The path of a route to our samples. What a walk deletes is none that it needs again.
    pub fn path(&self, route: &Route) -> String {
        let path = filled(route, &self.ids);
        if (route.method.as_str(), path.as_str()) == ("GET", "/api/v2.0/robots") {
            // Without this it lists the robots of the system.
            return format!("{path}?q=Level%3Dproject%2CProjectID%3D{}", self.ids["id"]);
        }
        path
    }

    /// Makes anew what a route has just changed.
    pub async fn restore(&mut self, route: &Route) {
        let last = route.parameters().last().copied();
        match (route.method.as_str(), route.path.trim_start_matches("/api/v2.0")) {
            ("DELETE", "/users/{user_id}/sessions") => {}
            ("DELETE", "/users/{user_id}") => {
                for parameter in ["user_id", "token_id", "mid"] {
                    self.remake(parameter).await;
                }
            }
            ("DELETE", "/robots/{robot_id}") => {
                self.remake("robot_id").await;
                self.remake("secret_id").await;
            }
            // A second secret was added, or the first one exchanged.
            ("POST", "/robots/{robot_id}/secrets") => {
                let path = format!("/api/v2.0/robots/{}/secrets", self.ids["robot_id"]);
                let secrets = self.admin.read_json(&path).await;
                let path = format!("{path}/{}", secrets[1]["id"]);
                assert_eq!(self.admin.status_of("DELETE", &path).await, 200);
            }
            ("PATCH", "/robots/{robot_id}") => self.remake("secret_id").await,
            ("DELETE", _) => {
                let parameter = self.ids.keys().copied().find(|name| Some(*name) == last);
                self.remake(parameter.expect("what was deleted")).await;
            }
            _ => {}
        }
    }

    /// A role for members that are limited to some repositories.
    pub fn role_of_pattern(&self) -> i64 {
        self.ids["role_id"].parse().expect("an id")
    }

    /// The server's database, for what no answer changes.
    pub async fn database(&self) -> SqlitePool {
        let url = format!("sqlite:{}", self.server.data().join("roadstead.db").display());
        SqlitePool::connect(&url).await.expect("the server's database")
    }

    /// Nothing of a tenant was taken away.
    pub async fn assert_all_there(&self, tenant: &Tenant) {
        let ids = &tenant.ids;
        let project = format!("/api/v2.0/projects/{}", ids["project_name"]);
        for path in [
            project.clone(),
            format!("{project}/members/{}", ids["mid"]),
            format!("{project}/repositories/{}", ids["repository_name"]),
            format!("{project}/metadatas/{}", ids["meta_name"]),
            format!("/api/v2.0/robots/{}", ids["robot_id"]),
            format!("/api/v2.0/users/{}", ids["user_id"]),
        ] {
            assert_eq!(self.admin.get(&path).await.status(), 200, "{path}");
        }
        let rules = self.admin.get(&format!("{project}/immutabletagrules")).await;
        assert_eq!(header(&rules, "x-total-count"), "1");
    }
}

impl Tenant {
    /// The path of a route with this tenant's ids, below a project of any.
    pub fn path(&self, route: &Route, project: &str) -> String {
        let mut ids = self.ids.clone();
        ids.insert("project_name", project.to_owned());
        ids.insert("project_name_or_id", project.to_owned());
        filled(route, &ids)
    }
}
