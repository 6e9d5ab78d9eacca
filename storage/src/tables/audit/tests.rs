use roadstead_model::{Action, Permission, PrincipalId, ProjectName, Resource, RoleId};

use super::*;
use crate::Db;
use crate::tables::binding::{self, Scope};
use crate::tables::principal::{self, Kind};
use crate::tables::viewer::Viewer;
use crate::tables::{group, project, role, setting};

const LOG: Permission = Permission::new(Resource::Log, Action::List);
const NOW: Timestamp = Timestamp(1);

struct House {
    _directory: crate::testing::Kept,
    db: Db,
}

impl House {
    async fn new() -> Self {
        let (directory, db) = crate::testing::database(2).await;
        Self { _directory: directory, db }
    }

    async fn principal(&self, kind: Kind, name: &str) -> PrincipalId {
        let mut tx = self.db.begin().await.unwrap();
        let id = principal::insert(&mut tx, kind, name, NOW).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A project with one event.
    async fn project(&self, name: &str, owner: PrincipalId) -> ProjectId {
        let mut tx = self.db.begin().await.unwrap();
        let parsed: ProjectName = name.parse().unwrap();
        let id = project::insert(&mut tx, &parsed, owner, true, -1, NOW).await.unwrap();
        record(&mut tx, nobody(), Event::of("project", name, "create").in_project(id), NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn bind(&self, principal: PrincipalId, role: RoleId, scope: Scope, pattern: &str) {
        let mut tx = self.db.begin().await.unwrap();
        binding::insert(&mut tx, principal, role, scope, pattern, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a viewer reads, as `resource resource ...`.
    async fn read(&self, viewer: Viewer) -> String {
        let mut conn = self.db.read().await.unwrap();
        let part = Part::Where(viewer, LOG);
        let order = [("a.resource", false)];
        let found = list(&mut conn, part, &[], &order, 100, 0).await.unwrap();
        let total = count(&mut conn, part, &[]).await.unwrap();
        assert_eq!(usize::try_from(total).unwrap(), found.len());
        found.into_iter().map(|entry| entry.resource).collect::<Vec<_>>().join(" ")
    }
}

fn nobody() -> Actor<'static> {
    static ORIGIN: std::sync::LazyLock<Origin> = std::sync::LazyLock::new(Origin::default);
    Actor { principal: None, name: "system", origin: &ORIGIN }
}

fn viewer(principal: PrincipalId) -> Viewer {
    Viewer { everything: false, principal: Some(principal), via: None }
}

#[tokio::test]
async fn everybody_reads_the_projects_where_they_hold_the_permission() {
    crate::testing::on_both_engines(async || {
        let house = House::new().await;
        let owner = house.principal(Kind::User, "owner").await;
        let (one, two) = (house.project("one", owner).await, house.project("two", owner).await);
        assert_eq!(house.read(viewer(owner)).await, "one two");
        let guest = house.principal(Kind::User, "guest").await;
        // A public project and a role without the permission open nothing.
        house.bind(guest, RoleId(3), Scope::Project(one), "").await;
        assert_eq!(house.read(viewer(guest)).await, "");
        // What is limited to some repositories says nothing of the project's log.
        let robot = house.principal(Kind::Robot, "robot").await;
        house.bind(robot, RoleId::PROJECT_ADMIN, Scope::Project(one), "app/**").await;
        assert_eq!(house.read(viewer(robot)).await, "");
        house.bind(robot, RoleId::PROJECT_ADMIN, Scope::AllProjects, "").await;
        assert_eq!(house.read(viewer(robot)).await, "one two");
        // Through a group.
        let mut tx = house.db.begin().await.unwrap();
        let people = group::insert(&mut tx, "people", 3, "", NOW).await.unwrap();
        tx.query("INSERT INTO group_member (user_id, group_id) VALUES ($1, $2)")
            .bind(guest.0)
            .bind(people.0)
            .execute()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        house.bind(people, RoleId::PROJECT_ADMIN, Scope::Project(two), "").await;
        assert_eq!(house.read(viewer(guest)).await, "two");
        assert_eq!(house.read(Viewer { principal: None, ..viewer(guest) }).await, "");
    })
    .await;
}

#[tokio::test]
async fn a_personal_token_narrows_what_is_read() {
    crate::testing::on_both_engines(async || {
        let house = House::new().await;
        let owner = house.principal(Kind::User, "owner").await;
        let (one, _) = (house.project("one", owner).await, house.project("two", owner).await);
        let token = house.principal(Kind::Token, "token").await;
        let narrowed = Viewer { via: Some(token), ..viewer(owner) };
        assert_eq!(house.read(narrowed).await, "");
        let mut tx = house.db.begin().await.unwrap();
        let log = role::insert(&mut tx, role::Kind::Private, "p", "", &[LOG], NOW).await.unwrap();
        tx.commit().await.unwrap();
        house.bind(token, log, Scope::Project(one), "").await;
        assert_eq!(house.read(narrowed).await, "one");
        assert_eq!(house.read(Viewer { everything: true, ..narrowed }).await, "one");
        // The token says more than its owner may.
        let other = house.principal(Kind::User, "other").await;
        assert_eq!(house.read(Viewer { principal: Some(other), ..narrowed }).await, "");
    })
    .await;
}

#[tokio::test]
async fn types_that_are_switched_off_are_not_written_and_look_alikes_are() {
    crate::testing::on_both_engines(async || {
        let house = House::new().await;
        let mut tx = house.db.begin().await.unwrap();
        let off = "create_artifact,delete_tag";
        setting::set(&mut tx, "config.disabled_audit_log_event_types", off).await.unwrap();
        for event in [
            Event::of("artifact", "off", "create"),
            Event::of("tag", "off", "delete"),
            Event::of("artifact", "on-1", "delete"),
            Event::of("art", "on-2", "create"),
            Event::of("artifac_", "on-3", "create"),
            Event::of("artifact_x", "on-4", "create"),
        ] {
            record(&mut tx, nobody(), event, NOW).await.unwrap();
        }
        let found = list(&mut tx, Part::Everything, &[], &[("a.id", false)], 10, 0).await.unwrap();
        let resources: Vec<String> = found.into_iter().map(|entry| entry.resource).collect();
        assert_eq!(resources, ["on-1", "on-2", "on-3", "on-4"]);
    })
    .await;
}
