//! Things whose ids stand in paths, and bodies that change nothing.

use std::collections::HashMap;

use roadstead_tests::cast::{PASSWORD, in_project};
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::json;

use crate::Route;
use crate::requests::{filled, retention, rule, webhook};
use crate::undelete;

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
        for parameter in ["role_id", "group_id", "purge_id", "gc_id"] {
            samples.remake(parameter).await;
        }
        samples
    }

    pub fn ours(&self) -> Tenant {
        Tenant { admin: self.server.person("project-admin", PASSWORD), ids: self.ids.clone() }
    }

    pub async fn theirs(&self) -> Tenant {
        let mut tenant = self.tenant("theirs", "foreign-admin").await;
        for system in ["role_id", "group_id", "purge_id", "gc_id"] {
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
            ("reference", "v1".to_owned()),
            ("tag_name", "v1".to_owned()),
            ("addition", "build_history".to_owned()),
            // What does not exist for anybody yet, and what stands for everything.
            ("digest", format!("sha256:{}", "0".repeat(64))),
            ("execution_id", "1".to_owned()),
            ("task_id", "1".to_owned()),
            ("report_id", "r".to_owned()),
            ("registration_id", "s".to_owned()),
            ("preheat_instance_name", "i".to_owned()),
            ("preheat_policy_name", "p".to_owned()),
            ("pool_id", "all".to_owned()),
            ("job_id", "all".to_owned()),
            ("job_type", "all".to_owned()),
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
            "label_id",
            "meta_name",
            "webhook_policy_id",
            "execution_id",
            "task_id",
            "retention_id",
            "eid",
            "tid",
            "deleted_artifact_id",
            "deleted_tag_id",
            "deleted_repository_id",
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
            "label_id" => label_in(ids, admin, nth).await,
            "webhook_policy_id" => {
                admin.create(&below("webhook/policies"), &webhook(&format!("spare-{nth}"))).await
            }
            "execution_id" => {
                let path = below(&format!("webhook/policies/{}/test", ids["webhook_policy_id"]));
                let answer = admin.send("POST", &path).json(&json!({})).send().await;
                let answer = answer.expect("an answer");
                assert_eq!(answer.status(), 202, "{path}");
                let tested: serde_json::Value = answer.json().await.expect("JSON");
                tested["execution_ids"][0].to_string()
            }
            "task_id" => ids["execution_id"].clone(),
            "meta_name" => {
                let name = if project == "ours" { "auto_scan" } else { "prevent_vul" };
                let status = admin.json("POST", &below("metadatas/"), &json!({name: "true"})).await;
                assert_eq!(status, 200, "metadata");
                name.to_owned()
            }
            _ => Self::make_of_retention(parameter, ids, admin).await,
        }
    }

    /// Makes a policy of retention, an execution, and its task.
    async fn make_of_retention(
        parameter: &str,
        ids: &HashMap<&'static str, String>,
        admin: &Person,
    ) -> String {
        match parameter {
            "retention_id" => {
                let project: i64 = ids["id"].parse().expect("an id");
                admin.create("/api/v2.0/retentions", &retention(project, "**")).await
            }
            "eid" => {
                let path = format!("/api/v2.0/retentions/{}/executions", ids["retention_id"]);
                admin.create(&path, &json!({"dry_run": true})).await
            }
            "tid" => {
                let (policy, execution) = (&ids["retention_id"], &ids["eid"]);
                let path = format!("/api/v2.0/retentions/{policy}/executions/{execution}/tasks");
                loop {
                    let tasks = admin.read_json(&path).await;
                    match tasks[0]["status"].as_str() {
                        Some("Success") => break tasks[0]["id"].to_string(),
                        _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                    }
                }
            }
            _ => undelete::make(parameter, ids, admin).await,
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
            "gc_id" => {
                let parameters = json!({"dry_run": true});
                let body = json!({"schedule": {"type": "Manual"}, "parameters": parameters});
                self.admin.create("/api/v2.0/system/gc/schedule", &body).await
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
            ("DELETE", "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}") => {
                for parameter in ["webhook_policy_id", "execution_id", "task_id"] {
                    self.remake(parameter).await;
                }
            }
            // A second secret was added, or the first one exchanged.
            ("POST", "/robots/{robot_id}/secrets") => {
                let path = format!("/api/v2.0/robots/{}/secrets", self.ids["robot_id"]);
                let secrets = self.admin.read_json(&path).await;
                let path = format!("{path}/{}", secrets[1]["id"]);
                assert_eq!(self.admin.status_of("DELETE", &path).await, 200);
            }
            ("PATCH", "/robots/{robot_id}") => self.remake("secret_id").await,
            // The artifact takes its label along; its tag is pushed again.
            ("DELETE", path)
                if ["/{repository_name}", "/{reference}", "/{tag_name}"]
                    .iter()
                    .any(|end| path.ends_with(end)) =>
            {
                self.remake("repository_name").await;
                self.remake("label_id").await;
            }
            ("DELETE", "/retentions/{id}") => {
                for parameter in ["retention_id", "eid", "tid"] {
                    self.remake(parameter).await;
                }
            }
            // What was brought back is deleted again.
            ("POST", path) if path.ends_with("/restore") => {
                self.remake(last.map_or("", sample_of_restored)).await;
            }
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

    /// Nothing of a tenant was taken away.
    pub async fn assert_all_there(&self, tenant: &Tenant) {
        let ids = &tenant.ids;
        let project = format!("/api/v2.0/projects/{}", ids["project_name"]);
        for path in [
            project.clone(),
            format!("{project}/members/{}", ids["mid"]),
            format!("{project}/webhook/policies/{}", ids["webhook_policy_id"]),
            format!("{project}/repositories/{}", ids["repository_name"]),
            format!("{project}/metadatas/{}", ids["meta_name"]),
            format!("/api/v2.0/robots/{}", ids["robot_id"]),
            format!("/api/v2.0/users/{}", ids["user_id"]),
            format!("/api/v2.0/labels/{}", ids["label_id"]),
            format!("/api/v2.0/retentions/{}", ids["retention_id"]),
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

/// The name of a parameter, which lives as long as the program.
fn sample_of_restored(parameter: &str) -> &'static str {
    match parameter {
        "deleted_artifact_id" => "deleted_artifact_id",
        "deleted_tag_id" => "deleted_tag_id",
        _ => "deleted_repository_id",
    }
}

/// A label of the project, which its artifact carries.
async fn label_in(ids: &HashMap<&'static str, String>, admin: &Person, nth: u32) -> String {
    let body = json!({
        "name": format!("label-{nth}"), "scope": "p",
        "project_id": ids["id"].parse::<i64>().expect("an id"),
    });
    let label = admin.create("/api/v2.0/labels", &body).await;
    let (project, repository) = (&ids["project_name"], &ids["repository_name"]);
    let path =
        format!("/api/v2.0/projects/{project}/repositories/{repository}/artifacts/v1/labels");
    let id: i64 = label.parse().expect("an id");
    assert_eq!(admin.json("POST", &path, &json!({"id": id})).await, 200, "{path}");
    label
}
