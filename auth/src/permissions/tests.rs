use std::collections::BTreeSet;
use std::sync::Arc;

use roadstead_model::{ManualClock, Origin, RepositoryName, RoleId};
use roadstead_storage::tables::principal::{self, Kind as PrincipalKind};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot::{self, Robot};

use super::*;
use crate::authenticate::Auth;
use crate::robots::{NewRobotAccount, RobotChange};
use crate::sealing::SecretKey;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const REPOSITORIES: [&str; 3] = ["web", "app/web", "db"];

struct World {
    auth: Auth,
    projects: Vec<Project>,
    _directory: roadstead_storage::testing::Kept,
}

/// Random numbers below a bound, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn access(&mut self) -> Vec<Permission> {
        let all = [
            Permission::repository(Action::Pull),
            Permission::repository(Action::Push),
            Permission::new(roadstead_model::Resource::Member, Action::Create),
        ];
        let access: Vec<Permission> = all.into_iter().filter(|_| self.below(2) == 0).collect();
        if access.is_empty() { vec![all[self.below(3)]] } else { access }
    }

    fn entry(&mut self, scope: Scope) -> Entry {
        let pattern = ["", "", "web", "**"][self.below(4)].to_owned();
        Entry { scope, pattern, access: self.access(), effect: false }
    }

    /// Entries for a robot of the system; the places are different.
    fn entries(&mut self, projects: &[Project]) -> Vec<Entry> {
        let places =
            [Scope::AllProjects, Scope::Project(projects[0].id), Scope::Project(projects[1].id)];
        let mut entries: Vec<Entry> = Vec::new();
        for place in places {
            if self.below(2) == 0 {
                entries.push(self.entry(place));
            }
        }
        let one = self.below(3);
        if entries.is_empty() { vec![self.entry(places[one])] } else { entries }
    }
}

impl World {
    async fn new() -> Self {
        let (directory, db) = roadstead_storage::testing::database(2).await;
        let (clock, secret) = (Arc::new(ManualClock::at(NOW)), SecretKey::generate().unwrap());
        let auth = Auth::new(db, &secret, clock, "http://localhost").await.unwrap();
        let mut tx = auth.db.begin().await.unwrap();
        let owner = principal::insert(&mut tx, PrincipalKind::User, "owner", NOW).await.unwrap();
        let mut projects = Vec::new();
        for name in ["one", "two"] {
            let parsed = name.parse().unwrap();
            project::insert(&mut tx, &parsed, owner, false, -1, NOW).await.unwrap();
            projects.push(project::find(&mut tx, name).await.unwrap().unwrap());
        }
        tx.commit().await.unwrap();
        Self { auth, projects, _directory: directory }
    }

    async fn caller(&self, robot: &Robot) -> Caller {
        let found = principal::find(&mut self.auth.db.read().await.unwrap(), robot.id).await;
        Caller::principal(found.unwrap().unwrap(), "robot$", Origin::default())
    }

    /// A robot with entries, made by nobody in particular: its entries are not compared.
    async fn root(&self, name: &str, entries: &[Entry], project: Option<&Project>) -> Caller {
        let mut tx = self.auth.db.begin().await.unwrap();
        let new = robot::NewRobot {
            name,
            project: project.map(|project| project.id),
            description: "",
            duration: -1,
            expires_at: None,
            creator_type: "local",
            creator: PrincipalId(1),
        };
        let id = robot::insert(&mut tx, new, NOW).await.unwrap();
        bind(&mut tx, id, entries, project.is_some(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let found = robot::find(&mut self.auth.db.read().await.unwrap(), id).await;
        self.caller(&found.unwrap().unwrap()).await
    }

    /// Everything that a caller may do in the two projects.
    async fn can(&self, caller: &Caller) -> BTreeSet<String> {
        let mut conn = self.auth.db.read().await.unwrap();
        let mut able = BTreeSet::new();
        for project in &self.projects {
            for permission in roadstead_model::catalogue::project() {
                let there = caller.require_in_project(&mut conn, project, permission).await;
                if there.unwrap().is_ok() {
                    able.insert(format!("{} {permission}", project.name));
                }
            }
            for below in REPOSITORIES {
                let name: RepositoryName = format!("{}/{below}", project.name).parse().unwrap();
                for action in Action::OF_TOKENS {
                    if caller.require(&mut conn, &name, action).await.unwrap().is_ok() {
                        able.insert(format!("{name} {action}"));
                    }
                }
            }
        }
        able
    }
}

#[tokio::test]
async fn no_robot_makes_or_changes_one_to_more_than_it_is() {
    roadstead_storage::testing::on_both_engines(async || {
        let world = World::new().await;
        let mut numbers = Numbers(0x1a77);
        let (mut made, mut refused) = (0, 0);
        for round in 0..80 {
            let of = (numbers.below(2) == 0).then(|| &world.projects[numbers.below(2)]);
            let entries = match of {
                Some(project) => vec![numbers.entry(Scope::Project(project.id))],
                None => numbers.entries(&world.projects),
            };
            let parent = world.root(&format!("parent{round}"), &entries, of).await;
            let limit = world.can(&parent).await;
            let child_of = (numbers.below(2) == 0).then(|| &world.projects[numbers.below(2)]);
            let given = match child_of {
                Some(project) => vec![numbers.entry(Scope::Project(project.id))],
                None => numbers.entries(&world.projects),
            };
            let new = NewRobotAccount {
                name: format!("child{round}"),
                description: String::new(),
                duration: -1,
                project: child_of.cloned(),
                permissions: given.clone(),
            };
            match world.auth.create_robot(&parent, &new).await {
                Ok(created) => {
                    made += 1;
                    let child = world.caller(&created.robot).await;
                    let able = world.can(&child).await;
                    assert!(able.is_subset(&limit), "{entries:?} made {given:?}: {able:?}");
                    // And neither does it make itself, or what it made, stronger.
                    let wanted = numbers.entries(&world.projects);
                    let wanted = if child_of.is_some() { given } else { wanted };
                    let change = RobotChange {
                        description: String::new(),
                        duration: -1,
                        disabled: false,
                        permissions: wanted.clone(),
                    };
                    let _ = world.auth.update_robot(&parent, &created.robot, &change).await;
                    let able = world.can(&child).await;
                    assert!(able.is_subset(&limit), "{entries:?} changed to {wanted:?}: {able:?}");
                }
                Err(Error::Denied(_)) => refused += 1,
                Err(error) => panic!("{error}: {given:?}"),
            }
        }
        assert!(made >= 5 && refused >= 5, "{made} made, {refused} refused");
    })
    .await;
}

#[tokio::test]
async fn pulling_that_follows_from_pushing_is_not_given_by_who_cannot_pull() {
    roadstead_storage::testing::on_both_engines(async || {
        let world = World::new().await;
        let (push, one) = (Permission::repository(Action::Push), &world.projects[0]);
        let entry =
            |scope| Entry { scope, pattern: String::new(), access: vec![push], effect: false };
        let new = |name: &str| NewRobotAccount {
            name: name.to_owned(),
            description: String::new(),
            duration: -1,
            project: Some(one.clone()),
            permissions: vec![entry(Scope::Project(one.id))],
        };
        // A robot of the system that pushes does not pull; one of the project does.
        let blind = world.root("blind", &[entry(Scope::AllProjects)], None).await;
        let refused = world.auth.create_robot(&blind, &new("a")).await;
        assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
        let same = world.root("one+ci", &[entry(Scope::Project(one.id))], Some(one)).await;
        world.auth.create_robot(&same, &new("b")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn each_of_harbors_roles_contains_the_weaker_ones() {
    roadstead_storage::testing::on_both_engines(async || {
        let world = World::new().await;
        let mut conn = world.auth.db.read().await.unwrap();
        let mut stronger: Option<BTreeSet<Permission>> = None;
        for id in RoleId::BY_POWER {
            let role = role::permissions(&mut conn, id).await.unwrap();
            let role: BTreeSet<Permission> = role.into_iter().collect();
            assert!(!role.is_empty());
            if let Some(stronger) = &stronger {
                let more: Vec<String> =
                    role.difference(stronger).map(ToString::to_string).collect();
                assert!(
                    role.len() < stronger.len() && more.is_empty(),
                    "{id:?} has more: {more:?}"
                );
            }
            stronger = Some(role);
        }
        let public = role::permissions(&mut conn, RoleId::PUBLIC).await.unwrap();
        let changes =
            [Action::Create, Action::Update, Action::Delete, Action::Push, Action::Operate];
        assert!(!public.iter().any(|permission| changes.contains(&permission.action)));
    })
    .await;
}
