//! Whoever makes a robot, and whatever happens to them later: the robot has nothing that its maker
//! lacks. Makers, gifts and changes are random; what each may do is asked where requests ask it.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use roadstead_model::{ManualClock, Origin, ProjectName, RepositoryName, RoleId};
use roadstead_storage::tables::principal::{self, Principal};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot::{self, Robot};
use roadstead_storage::tables::user::{self, NewUser, Source};

use super::*;
use crate::authenticate::Auth;
use crate::personal_tokens::NewPersonalToken;
use crate::robots::{NewRobotAccount, RobotChange};
use crate::sealing::SecretKey;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const PATTERNS: [&str; 4] = ["", "", "app/**", "app/*"];
const REPOSITORIES: [&str; 3] = ["web", "app/web", "app/web/deep"];

struct World {
    auth: Auth,
    projects: Vec<Project>,
    rng: StdRng,
    _directory: roadstead_storage::testing::Kept,
}

impl World {
    async fn new(seed: u64) -> Self {
        let (directory, db) = roadstead_storage::testing::database(2).await;
        let clock = Arc::new(ManualClock::at(NOW));
        let secret = SecretKey::generate().unwrap();
        let auth = Auth::new(db, &secret, clock, "http://localhost").await.unwrap();
        let rng = StdRng::seed_from_u64(seed);
        let mut world = Self { auth, projects: Vec::new(), rng, _directory: directory };
        let owner = world.person("owner", true).await;
        for name in ["one", "two"] {
            let name: ProjectName = name.parse().unwrap();
            let mut tx = world.auth.db.begin().await.unwrap();
            project::insert(&mut tx, &name, owner.id, false, -1, NOW).await.unwrap();
            tx.commit().await.unwrap();
            let mut conn = world.auth.db.read().await.unwrap();
            let made = project::find(&mut conn, name.as_str()).await.unwrap().unwrap();
            world.projects.push(made);
        }
        world
    }

    async fn principal(&self, id: PrincipalId) -> Option<Principal> {
        principal::find(&mut self.auth.db.read().await.unwrap(), id).await.unwrap()
    }

    async fn person(&self, name: &str, sysadmin: bool) -> Principal {
        let (realname, comment, password_hash) = (name, "", "");
        let source = Source::Db;
        let email = None;
        let new = NewUser { name, source, email, realname, comment, password_hash, sysadmin };
        let mut tx = self.auth.db.begin().await.unwrap();
        let id = user::insert(&mut tx, new, NOW).await.unwrap();
        tx.commit().await.unwrap();
        self.principal(id).await.unwrap()
    }

    fn access(&mut self, known: &[Permission], most: usize) -> Vec<Permission> {
        let many = self.rng.random_range(1..=most);
        known.choose_multiple(&mut self.rng, many).copied().collect()
    }

    /// Mostly of a few permissions, so that gifts and what is held meet often enough.
    fn entry(&mut self, scope: Scope, most: usize) -> Entry {
        let all = match scope {
            Scope::System => catalogue::system(),
            _ => catalogue::project(),
        };
        let mut few: Vec<Permission> = [Action::Push, Action::Pull, Action::Delete]
            .map(Permission::repository)
            .into_iter()
            .chain([Permission::new(Resource::Robot, Action::Create)])
            .chain([Permission::new(Resource::Metadata, Action::List)])
            .collect();
        few.retain(|permission| all.contains(permission));
        let known = if few.is_empty() || self.rng.random_ratio(1, 6) { &all } else { &few };
        let access = self.access(known, most);
        let pattern = match scope {
            Scope::System => "",
            _ => PATTERNS.choose(&mut self.rng).unwrap(),
        };
        Entry { scope, pattern: pattern.to_owned(), access, effect: self.rng.random() }
    }

    fn entries(&mut self, most: usize) -> Vec<Entry> {
        let scopes = [
            Scope::System,
            Scope::AllProjects,
            Scope::Project(self.projects[0].id),
            Scope::Project(self.projects[1].id),
        ];
        let many = self.rng.random_range(1..=3);
        let chosen: Vec<Scope> = scopes.choose_multiple(&mut self.rng, many).copied().collect();
        chosen.into_iter().map(|scope| self.entry(scope, most)).collect()
    }

    /// Somebody with custom and built-in roles in some projects.
    async fn member(&mut self, name: &str) -> Caller {
        let person = self.person(name, false).await;
        for at in 0..self.projects.len() {
            let scope = Scope::Project(self.projects[at].id);
            let custom = self.entry(scope, 5);
            let mut tx = self.auth.db.begin().await.unwrap();
            let role = if self.rng.random_ratio(1, 3) {
                *RoleId::BY_POWER.choose(&mut self.rng).unwrap()
            } else {
                let (kind, role) = (Kind::Custom, format!("{name}{at}"));
                role::insert(&mut tx, kind, &role, "", &custom.access, NOW).await.unwrap()
            };
            let pattern = &custom.pattern;
            binding::insert(&mut tx, person.id, role, scope, pattern, NOW).await.unwrap();
            tx.commit().await.unwrap();
        }
        Caller::principal(person, "robot$", Origin::default())
    }

    async fn through_token(&mut self, name: &str, owner: Caller) -> Caller {
        let permissions = self.entries(5);
        let (description, expires_at) = (String::new(), None);
        let name = name.to_owned();
        let new = NewPersonalToken { name, description, expires_at, permissions };
        let (token, _) = self.auth.create_personal_token(&owner, &new).await.unwrap();
        owner.through(self.principal(token.id).await.unwrap())
    }

    async fn make_robot(&mut self, by: &Caller, name: &str) -> Result<Robot> {
        let home = self.projects.choose(&mut self.rng).unwrap().clone();
        let project = self.rng.random_bool(0.5).then_some(home);
        let permissions = match &project {
            Some(project) => vec![self.entry(Scope::Project(project.id), 2)],
            None => self.entries(4),
        };
        let duration = *[-1, 1, 30].choose(&mut self.rng).unwrap();
        let (name, description) = (name.to_owned(), String::new());
        let new = NewRobotAccount { name, description, duration, project, permissions };
        self.auth.create_robot(by, &new).await.map(|created| created.robot)
    }

    async fn robot_caller(&self, robot: PrincipalId) -> Caller {
        Caller::principal(self.principal(robot).await.unwrap(), "robot$", Origin::default())
    }

    /// Asserts that the robot may do nothing that `maker` may not.
    async fn assert_within(&self, made: &Robot, maker: &Caller, what: &str) {
        let robot = self.robot_caller(made.id).await;
        let mut conn = self.auth.db.read().await.unwrap();
        for permission in catalogue::system() {
            if robot.require_system(&mut conn, permission).await.unwrap().is_ok() {
                let maker = maker.require_system(&mut conn, permission).await.unwrap();
                assert!(maker.is_ok(), "{what}: {permission} of the system");
            }
        }
        for project in &self.projects {
            for permission in catalogue::project() {
                let listed = Permission::new(Resource::Metadata, Action::List);
                if permission == listed && maker.is_person() {
                    continue;
                }
                let mut asked = vec![None];
                if permission.resource.is_of_repository() {
                    asked.extend(REPOSITORIES.map(Some));
                }
                for below in asked {
                    let robot = may(&mut conn, &robot, project, below, permission).await;
                    let maker = may(&mut conn, maker, project, below, permission).await;
                    assert!(!robot || maker, "{what}: {permission} in {} {below:?}", project.name);
                }
            }
        }
    }

    /// Asserts that each working robot which a robot is answerable for is within it.
    async fn assert_offspring_within(&self, ids: &[PrincipalId], what: &str) {
        for id in ids {
            let found = robot::find(&mut self.auth.db.read().await.unwrap(), *id).await.unwrap();
            let Some(made) = found.filter(|robot| !robot.disabled) else { continue };
            if made.creator_type != "robot" {
                continue;
            }
            let maker = self.principal(made.creator).await;
            let maker =
                maker.unwrap_or_else(|| panic!("{what}: the maker of {} is gone", made.name));
            assert!(!maker.disabled, "{what}: the maker of {} is disabled", made.name);
            let end = maker.expires_at.unwrap_or(Timestamp(i64::MAX));
            assert!(made.expires_at.unwrap_or(Timestamp(i64::MAX)) <= end, "{what}");
            let maker = Caller::principal(maker, "robot$", Origin::default());
            self.assert_within(&made, &maker, what).await;
        }
    }
}

async fn may(
    conn: &mut Conn,
    caller: &Caller,
    project: &Project,
    below: Option<&str>,
    permission: Permission,
) -> bool {
    let allowed = match below {
        None => caller.require_in_project(conn, project, permission).await,
        Some(below) => {
            let name: RepositoryName = format!("{}/{below}", project.name).parse().unwrap();
            caller.require_in_repository(conn, project, &name, permission).await
        }
    };
    allowed.unwrap().is_ok()
}

#[tokio::test]
async fn a_new_robot_may_do_nothing_that_its_maker_may_not() {
    roadstead_storage::testing::on_both_engines(async || {
        let mut world = World::new(7).await;
        let (mut made, mut refused) = (0, 0);
        for round in 0..40 {
            let mut maker = world.member(&format!("member{round}")).await;
            if world.rng.random_bool(0.3) {
                maker = world.through_token(&format!("token{round}"), maker).await;
            }
            for attempt in 0..6 {
                match world.make_robot(&maker, &format!("r{round}-{attempt}")).await {
                    Ok(robot) => {
                        made += 1;
                        world.assert_within(&robot, &maker, &format!("round {round}")).await;
                    }
                    Err(Error::Denied(_)) => refused += 1,
                    Err(error) => panic!("round {round}: {error}"),
                }
            }
        }
        assert!(made > 10 && refused > 10, "{made} made, {refused} refused");
    })
    .await;
}

#[tokio::test]
async fn a_robot_stays_within_the_robot_that_made_it() {
    roadstead_storage::testing::on_both_engines(async || {
        let mut world = World::new(11).await;
        let owner = user::find(&mut world.auth.db.read().await.unwrap(), "owner").await.unwrap();
        let admin = Caller::principal(owner.unwrap().principal, "robot$", Origin::default());
        let (mut robots, mut by_robots) = (Vec::new(), 0);
        for round in 0..80 {
            let by = match robots.choose(&mut world.rng) {
                Some(id) if world.rng.random_bool(0.8) => world.robot_caller(*id).await,
                _ => admin.clone(),
            };
            // Most of what comes to mind is more than a robot has.
            for attempt in 0..8 {
                if let Ok(robot) = world.make_robot(&by, &format!("r{round}-{attempt}")).await {
                    by_robots += i32::from(by.is_robot());
                    robots.push(robot.id);
                    break;
                }
            }
            let at = world.rng.random_range(0..robots.len());
            let mut conn = world.auth.db.read().await.unwrap();
            let victim = robot::find(&mut conn, robots[at]).await.unwrap().unwrap();
            let before = of(&mut conn, victim.id).await.unwrap();
            drop(conn);
            let what = match world.rng.random_range(0..8) {
                0 => {
                    world.auth.delete_robot(&admin, &victim).await.unwrap();
                    robots.remove(at);
                    "deleted"
                }
                change @ 1..4 => {
                    let narrowed = match victim.project {
                        Some(project) => vec![world.entry(Scope::Project(project), 4)],
                        None => world.entries(4),
                    };
                    let permissions = if change == 1 { narrowed } else { before };
                    let disabled = change == 2;
                    let duration = if change == 3 { 1 } else { victim.duration };
                    let description = String::new();
                    let to = RobotChange { description, duration, disabled, permissions };
                    world.auth.update_robot(&admin, &victim, &to).await.unwrap();
                    "changed"
                }
                _ => "left alone",
            };
            if robots.is_empty() {
                continue;
            }
            world.assert_offspring_within(&robots, &format!("round {round}, {what}")).await;
        }
        assert!(by_robots > 10, "{by_robots} were made by robots");
    })
    .await;
}
