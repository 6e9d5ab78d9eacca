use std::sync::Arc;

use roadstead_model::{ManualClock, Origin, Permission, PrincipalId, ProjectId, RepositoryName};
use roadstead_storage::tables::binding::{self, Scope as Place};
use roadstead_storage::tables::principal::{self, Kind};
use roadstead_storage::tables::repository;
use roadstead_storage::tables::role::{self, Kind as RoleKind};

use super::*;
use crate::scope;
use crate::sealing::SecretKey;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
/// The repositories of each of the projects `one`, `two` and `open`; the last is public.
const REPOSITORIES: [&str; 4] = ["web", "web-2", "app/web", "db"];
const PROJECTS: [&str; 3] = ["one", "two", "open"];

struct World {
    auth: Auth,
    projects: Vec<ProjectId>,
    _directory: roadstead_storage::testing::Kept,
}

impl World {
    async fn new() -> Self {
        let (directory, db) = roadstead_storage::testing::database(2).await;
        let clock = Arc::new(ManualClock::at(NOW));
        let secret = SecretKey::generate().unwrap();
        let auth = Auth::new(db, &secret, clock, "http://localhost").await.unwrap();
        let mut world = Self { auth, projects: Vec::new(), _directory: directory };
        let owner = world.principal("owner").await;
        let mut tx = world.auth.db.begin().await.unwrap();
        for name in PROJECTS {
            let project = name.parse().unwrap();
            let public = name == "open";
            let id = project::insert(&mut tx, &project, owner, public, -1, NOW).await.unwrap();
            for below in REPOSITORIES {
                let name: RepositoryName = format!("{name}/{below}").parse().unwrap();
                repository::ensure(&mut tx, id, &name, NOW).await.unwrap();
            }
            world.projects.push(id);
        }
        tx.commit().await.unwrap();
        world
    }

    async fn principal(&self, name: &str) -> PrincipalId {
        let mut tx = self.auth.db.begin().await.unwrap();
        let id = principal::insert(&mut tx, Kind::Robot, name, NOW).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn caller(&self, id: PrincipalId) -> Caller {
        let found = principal::find(&mut self.auth.db.read().await.unwrap(), id).await.unwrap();
        Caller::principal(found.unwrap(), "robot$", Origin::default())
    }

    async fn bind(&self, to: PrincipalId, place: Place, pattern: &str, actions: &[Action]) {
        let permissions: Vec<Permission> =
            actions.iter().map(|action| Permission::repository(*action)).collect();
        let name = uuid::Uuid::new_v4().to_string();
        let mut tx = self.auth.db.begin().await.unwrap();
        let role = role::insert(&mut tx, RoleKind::Private, &name, "", &permissions, NOW).await;
        binding::insert(&mut tx, to, role.unwrap(), place, pattern, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a token holds that `caller` got for these scopes, as scopes again.
    async fn granted(&self, caller: &Caller, parameters: &[&str]) -> Vec<String> {
        let scopes = scope::parse(parameters.iter().copied());
        let answer = self.auth.issue_token(caller, &scopes).await.unwrap();
        assert!(answer.token.len() <= 16 << 10, "{} bytes", answer.token.len());
        let claims = self.auth.keys.verify(&answer.token, NOW).await.unwrap();
        claims.access.iter().map(text).collect()
    }
}

/// What the holder of pull and push in project `one`, and of nothing else, gets for a text.
const TABLE: [(&str, &str); 54] = [
    ("repository:one/web:pull", "repository:one/web:pull"),
    ("repository:one/web:pull,push", "repository:one/web:pull,push"),
    ("repository:one/web:push,pull", "repository:one/web:pull,push"),
    ("repository:one/web:push", "repository:one/web:push"),
    ("repository:one/web:pull,pull,pull", "repository:one/web:pull"),
    ("repository:one/web:delete", ""),
    ("repository:one/web:*", "repository:one/web:pull,push"),
    ("repository:one/web:pull,push,delete,*", "repository:one/web:pull,push"),
    ("repository:one/web:", ""),
    ("repository:one/web:,,,", ""),
    ("repository:one/web:PULL", ""),
    ("repository:one/web:pul", ""),
    ("repository:one/web:pull;push", ""),
    ("repository:one/web:p*", ""),
    ("repository:one/web:admin,root,sudo", ""),
    ("repository:one/web:read,list,create,update", ""),
    ("repository:one/web", ""),
    ("repository:one/new:pull,push", "repository:one/new:pull,push"),
    ("repository:two/web:pull,push,*", ""),
    ("repository:one/web:pull repository:two/web:*", "repository:one/web:pull"),
    ("repository:two/web:* repository:one/web:pull", "repository:one/web:pull"),
    ("repository:one/web:pull repository:one/web:push", "repository:one/web:pull,push"),
    (
        "repository:one/web:pull repository:one/db:push",
        "repository:one/web:pull repository:one/db:push",
    ),
    ("repository:one/web:pull\trepository:two/web:*", ""),
    ("repository:one/web:pull\nrepository:two/web:*", ""),
    ("repository:one/web:pull,repository:two/web:push", ""),
    ("repository:open/web:pull,push,delete", "repository:open/web:pull"),
    ("repository:*:*", ""),
    ("repository:one/*:*", ""),
    ("repository:one/**:pull", ""),
    ("repository:one:*", ""),
    ("repository:one/:*", ""),
    ("repository:/one/web:pull", ""),
    ("repository:one//web:pull", ""),
    ("repository:one/web/:pull", ""),
    ("repository:one/../two/web:pull", ""),
    ("repository:two/../one/web:pull", ""),
    ("repository:./one/web:pull", ""),
    ("repository:one/web\0:pull", ""),
    ("repository:one%2fweb:pull", ""),
    ("repository:one\\web:pull", ""),
    ("repository:ONE/web:pull", ""),
    ("repository:one/Web:pull", ""),
    ("repository:\u{43e}ne/web:pull", ""),
    ("repository:one/we\u{301}b:pull", ""),
    ("repository:localhost:5000/one/web:pull", ""),
    ("repository(plugin):one/web:pull", "repository:one/web:pull"),
    ("Repository:one/web:pull", ""),
    ("repositories:one/web:pull", ""),
    ("project:one:*", ""),
    ("system:*:*", ""),
    ("registry:catalog:*", "registry:catalog:*"),
    ("registry:catalog:delete,anything", ""),
    ("registry:other:*", ""),
];

#[tokio::test]
async fn a_text_grants_what_it_says_and_nothing_that_it_resembles() {
    roadstead_storage::testing::on_both_engines(async || {
        let world = World::new().await;
        let id = world.principal("one+ci").await;
        let one = Place::Project(world.projects[0]);
        world.bind(id, one, "", &[Action::Pull, Action::Push]).await;
        let caller = world.caller(id).await;
        for (asked, expected) in TABLE {
            assert_eq!(world.granted(&caller, &[asked]).await.join(" "), expected, "{asked:?}");
        }
        let long = format!("repository:one/{}:pull", "x".repeat(60_000));
        let many = format!("repository:one/web:{}", "pull,".repeat(10_000));
        let spread = "repository:one/web:pull ".repeat(2_000);
        assert!(world.granted(&caller, &[&long]).await.is_empty());
        assert_eq!(world.granted(&caller, &[&many]).await, ["repository:one/web:pull"]);
        assert_eq!(world.granted(&caller, &[&spread]).await, ["repository:one/web:pull"]);
        let catalog = format!("registry:catalog:{},*", "x".repeat(60_000));
        assert_eq!(world.granted(&caller, &[&catalog]).await, ["registry:catalog:*"]);
    })
    .await;
}

/// Random numbers below a bound, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn actions(&mut self) -> Vec<Action> {
        let all = [Action::Pull, Action::Push, Action::Delete, Action::List, Action::Read];
        all.into_iter().filter(|_| self.below(2) == 0).collect()
    }
}

/// What somebody was given: where (a project's number; none for all), for which repositories, what.
type Rule = (Option<usize>, &'static str, Vec<Action>);

/// Whether the rules allow an action; written apart from the code that decides it.
fn allowed(rules: &[Rule], project: usize, below: &str, action: Action) -> bool {
    rules.iter().any(|(place, pattern, actions)| {
        place.is_none_or(|place| place == project)
            && actions.contains(&action)
            && match *pattern {
                "web*" => below.starts_with("web") && !below.contains('/'),
                "**/web" => below == "web" || below.ends_with("/web"),
                pattern => pattern.is_empty() || pattern == below,
            }
    })
}

impl World {
    async fn random_rules(&self, numbers: &mut Numbers, to: PrincipalId) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for _ in 0..=numbers.below(3) {
            let place = [None, Some(0), Some(1), Some(2)][numbers.below(4)];
            let pattern = ["", "web", "web*", "**/web", "db"][numbers.below(5)];
            if rules.iter().any(|(other, same, _)| (*other, *same) == (place, pattern)) {
                continue;
            }
            let actions = numbers.actions();
            let scope = place.map_or(Place::AllProjects, |at| Place::Project(self.projects[at]));
            self.bind(to, scope, pattern, &actions).await;
            rules.push((place, pattern, actions));
        }
        rules
    }
}

#[tokio::test]
async fn what_is_granted_is_what_was_asked_and_is_allowed_for_random_policies() {
    roadstead_storage::testing::on_both_engines(async || {
        let world = World::new().await;
        let mut numbers = Numbers(0x70c3);
        let mut granted_at_all = 0;
        for round in 0..60 {
            let id = world.principal(&format!("p{round}")).await;
            let rules = world.random_rules(&mut numbers, id).await;
            let mut caller = world.caller(id).await;
            let mut narrowing = None;
            if numbers.below(2) == 0 {
                let token = world.principal(&format!("1/t{round}")).await;
                narrowing = Some(world.random_rules(&mut numbers, token).await);
                caller = caller.through(world.caller(token).await.principal.unwrap());
            }
            for (at, project) in PROJECTS.iter().enumerate() {
                for below in REPOSITORIES.iter().chain(&["new/web"]) {
                    let asked = numbers.actions();
                    let words: Vec<&str> = asked.iter().map(|action| action.name()).collect();
                    let scope = format!("repository:{project}/{below}:{}", words.join(","));
                    let may = |action: &Action| {
                        let own = allowed(&rules, at, below, *action);
                        let left = narrowing.as_ref();
                        let left = left.is_none_or(|left| allowed(left, at, below, *action));
                        (own && left) || (*project == "open" && *action == Action::Pull)
                    };
                    let in_tokens = Action::OF_TOKENS.iter();
                    let expected: Vec<&str> = in_tokens
                        .filter(|action| asked.contains(action) && may(action))
                        .map(|action| action.name())
                        .collect();
                    let granted = world.granted(&caller, &[&scope]).await.concat();
                    let wanted = if expected.is_empty() {
                        String::new()
                    } else {
                        format!("repository:{project}/{below}:{}", expected.join(","))
                    };
                    assert_eq!(granted, wanted, "round {round}: {rules:?} {narrowing:?} {scope}");
                    granted_at_all += expected.len();
                }
            }
        }
        assert!(granted_at_all > 100, "the policies allow too little to mean anything");
    })
    .await;
}
