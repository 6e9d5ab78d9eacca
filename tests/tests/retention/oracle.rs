//! Ten thousand artifacts, and rules that overlap: what is left is what another way of reading the
//! same rules leaves.
//!
//! The oracle knows nothing of patterns: each of its selectors is a pattern for the server, and
//! beside it a function in plain words. It asks of each artifact whether somebody keeps it, and
//! ranks by counting who comes before.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use roadstead_tests::Server;
use roadstead_tests::content::{MANIFEST, rng};
use serde_json::{Value, json};

use super::stage::{execute, make, setup};

const ARTIFACTS: usize = 10_000;
const REPOSITORIES: [&str; 8] =
    ["app", "app/web", "app/web/old", "lib", "lib/core", "tools", "empty-handed", "zoo"];
const DAY: i64 = 86_400_000_000;

type Words = fn(&str) -> bool;

/// Patterns for tags, each beside what it says.
const TAGS: [(&str, Words); 7] = [
    ("**", |_| true),
    ("v*", |tag| tag.starts_with('v')),
    ("{dev,test}-*", |tag| tag.starts_with("dev-") || tag.starts_with("test-")),
    ("*-rc?", |tag| tag.len() > 3 && tag[..tag.len() - 1].ends_with("-rc")),
    ("v[0-4]-*", |tag| {
        tag.starts_with('v')
            && tag[1..2].contains(['0', '1', '2', '3', '4'])
            && tag[2..].starts_with('-')
    }),
    ("latest", |tag| tag == "latest"),
    ("nothing-has-this-*", |_| false),
];
/// The same for repositories.
const NAMES: [(&str, Words); 5] = [
    ("**", |_| true),
    ("app/**", |name| name.starts_with("app/")),
    ("{lib,tools}", |name| name == "lib" || name == "tools"),
    ("*", |name| !name.contains('/')),
    ("**/core", |name| name == "core" || name.ends_with("/core")),
];

/// An artifact as the test knows it.
#[derive(Clone, Debug)]
struct Artifact {
    id: i64,
    repository: usize,
    tags: Vec<String>,
    /// In days and a bit before now.
    pushed: i64,
    pulled: Option<i64>,
    immutable: bool,
    /// The index that holds it.
    held_by: Option<i64>,
    accessory: bool,
}

impl Artifact {
    fn is_candidate(&self) -> bool {
        !(self.accessory || self.tags.is_empty() && self.held_by.is_some())
    }
}

/// A selector of tags: a pattern, whether it excludes, and what its extras say.
#[derive(Clone, Copy, Debug)]
struct Selector(usize, bool, Option<bool>);

impl Selector {
    fn written(self) -> Value {
        let decoration = if self.1 { "excludes" } else { "matches" };
        let mut written =
            json!({"kind": "doublestar", "decoration": decoration, "pattern": TAGS[self.0].0});
        if let Some(untagged) = self.2 {
            written["extras"] = json!({"untagged": untagged}).to_string().into();
        }
        written
    }

    fn selects(self, artifact: &Artifact) -> bool {
        if artifact.tags.is_empty() {
            return match (self.1, self.2) {
                (_, None) | (false, Some(true)) | (true, Some(false)) => true,
                (false, Some(false)) | (true, Some(true)) => false,
            };
        }
        artifact.tags.iter().any(|tag| (TAGS[self.0].1)(tag) != self.1)
    }
}

#[derive(Clone, Debug)]
struct Rule {
    disabled: bool,
    template: &'static str,
    number: i64,
    never_pulled_goes: bool,
    selectors: Vec<Selector>,
    names: Vec<(usize, bool)>,
}

const TEMPLATES: [&str; 7] = [
    "latestPushedK",
    "latestPulledN",
    "latestActiveK",
    "nDaysSinceLastPush",
    "nDaysSinceLastPull",
    "lastXDays",
    "always",
];

impl Rule {
    fn random(rng: &mut StdRng) -> Self {
        let template = *TEMPLATES.choose(rng).unwrap();
        let number = if template.contains("ays") {
            rng.random_range(0..120)
        } else {
            rng.random_range(0..300)
        };
        let selector = |rng: &mut StdRng| {
            let extras = *[None, Some(true), Some(false)].choose(rng).unwrap();
            Selector(rng.random_range(0..TAGS.len()), rng.random_bool(0.3), extras)
        };
        // What keeps everything would leave nothing to tell apart.
        let selectors = match template {
            "always" => vec![Selector(5, false, Some(false))],
            _ => (0..rng.random_range(0..3)).map(|_| selector(rng)).collect(),
        };
        let names: Vec<(usize, bool)> = (0..rng.random_range(0..3))
            .map(|_| (rng.random_range(0..NAMES.len()), rng.random_bool(0.25)))
            .collect();
        Self {
            disabled: rng.random_bool(0.15),
            template,
            number,
            never_pulled_goes: rng.random_bool(0.5),
            selectors,
            names,
        }
    }

    fn written(&self, priority: usize) -> Value {
        let names: Vec<Value> = self
            .names
            .iter()
            .map(|(at, excludes)| {
                let decoration = if *excludes { "repoExcludes" } else { "repoMatches" };
                json!({"kind": "doublestar", "decoration": decoration, "pattern": NAMES[*at].0})
            })
            .collect();
        let selectors: Vec<Value> = self.selectors.iter().map(|one| one.written()).collect();
        json!({
            // So that no two are the same.
            "priority": priority + 1, "disabled": self.disabled, "action": "retain",
            "template": self.template,
            "params": {self.template: self.number, "deleteNeverPulled": self.never_pulled_goes},
            "tag_selectors": selectors, "scope_selectors": {"repository": names},
        })
    }

    fn covers(&self, repository: usize) -> bool {
        let name = REPOSITORIES[repository];
        !self.disabled && self.names.iter().all(|(at, excludes)| (NAMES[*at].1)(name) != *excludes)
    }

    fn selects(&self, artifact: &Artifact) -> bool {
        self.selectors.iter().all(|selector| selector.selects(artifact))
    }

    /// How long ago the time was that counts; the largest number for never.
    fn age(&self, artifact: &Artifact) -> i64 {
        let pulled = artifact.pulled;
        match self.template {
            "latestPulledN" | "nDaysSinceLastPull" if self.never_pulled_goes => {
                pulled.unwrap_or(i64::MAX)
            }
            "latestPulledN" | "nDaysSinceLastPull" => pulled.unwrap_or(artifact.pushed),
            "latestActiveK" => artifact.pushed.min(pulled.unwrap_or(i64::MAX)),
            _ => artifact.pushed,
        }
    }

    fn keeps(&self, artifact: &Artifact, selected: &[&Artifact]) -> bool {
        let age = self.age(artifact);
        match self.template {
            "always" => true,
            "nDaysSinceLastPush" | "nDaysSinceLastPull" | "lastXDays" => {
                age != i64::MAX && age <= self.number * DAY
            }
            _ => {
                let before = |other: &&&Artifact| {
                    let its = self.age(other);
                    its < age || (its == age && other.id > artifact.id)
                };
                let earlier = selected.iter().filter(before).count();
                earlier < usize::try_from(self.number).unwrap()
            }
        }
    }
}

/// The ids of what is left of one repository.
fn left(rules: &[Rule], all: &[Artifact], repository: usize) -> BTreeSet<i64> {
    let here = all.iter().filter(|artifact| artifact.repository == repository);
    let (candidates, others): (Vec<&Artifact>, Vec<&Artifact>) =
        here.partition(|artifact| artifact.is_candidate());
    let speaking: Vec<&Rule> =
        rules.iter().filter(|rule| rule.covers(repository) && !rule.selectors.is_empty()).collect();
    let anything = speaking.iter().any(|rule| candidates.iter().any(|one| rule.selects(one)));
    let mut stays: BTreeSet<i64> = others.iter().map(|artifact| artifact.id).collect();
    if !anything {
        stays.extend(candidates.iter().map(|artifact| artifact.id));
        return stays;
    }
    for rule in speaking {
        let selected: Vec<&Artifact> =
            candidates.iter().copied().filter(|one| rule.selects(one)).collect();
        stays.extend(selected.iter().filter(|one| rule.keeps(one, &selected)).map(|one| one.id));
    }
    stays.extend(candidates.iter().filter(|one| one.immutable).map(|one| one.id));
    // What an index holds stays with it; indexes have greater ids than what they hold.
    for one in candidates.iter().rev() {
        if one.held_by.is_some_and(|by| stays.contains(&by)) {
            stays.insert(one.id);
        }
    }
    stays
}

/// Artifacts of all repositories; no two of one were pushed or pulled at the same time, but for
/// some that were pushed together.
fn artifacts(rng: &mut StdRng) -> Vec<Artifact> {
    const STEMS: [&str; 7] = ["v1-", "v3-", "v7-", "dev-", "test-", "x-rc", "build"];
    let mut all: Vec<Artifact> = Vec::with_capacity(ARTIFACTS);
    let mut latest = BTreeSet::new();
    for number in 0..ARTIFACTS {
        let id = 1000 + i64::try_from(number).unwrap();
        let repository = rng.random_range(0..REPOSITORIES.len());
        let mut tags: Vec<String> = (0..rng.random_range(0..4))
            .map(|nth| format!("{}{nth}{number}", STEMS.choose(rng).unwrap()))
            .collect();
        if rng.random_bool(0.1) && latest.insert(repository) {
            tags.push("latest".to_owned());
        }
        if rng.random_bool(0.05) && repository != 6 {
            // Short enough for `?`.
            let name = format!("r{number}-rc{}", rng.random_range(0..10));
            tags.push(name);
        }
        // Half a day away from every border.
        let moment = |rng: &mut StdRng, number: usize| {
            rng.random_range(0..100) * DAY + DAY / 2 + i64::try_from(number).unwrap() * 1_000_000
        };
        let together = number % 50 == 1;
        let pushed = match all.last() {
            Some(before) if together => before.pushed,
            _ => moment(rng, number),
        };
        let pulled = rng.random_bool(0.6).then(|| moment(rng, number));
        all.push(Artifact {
            id,
            repository,
            immutable: !tags.is_empty() && rng.random_bool(0.03),
            tags,
            pushed,
            pulled,
            held_by: None,
            accessory: number % 97 == 0,
        });
    }
    // Indexes follow what they hold.
    for child in (0..ARTIFACTS - 400).step_by(40) {
        let repository = all[child].repository;
        let parent = all[child + 1..]
            .iter()
            .find(|one| one.repository == repository && !one.accessory)
            .map(|one| one.id);
        all[child].held_by = parent.filter(|_| !all[child].accessory);
    }
    all
}

/// The rows of all of them, on either engine.
fn statements(all: &[Artifact], now: i64, postgres: bool) -> Vec<String> {
    let (yes, no, bytes) = if postgres { ("TRUE", "FALSE", "'{}'") } else { ("1", "0", "x'7b7d'") };
    let given = if postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
    let mut repositories = format!(
        "INSERT INTO repository (id, project_id, name, created_at, updated_at){given} VALUES "
    );
    for (at, name) in REPOSITORIES.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        write!(repositories, "{separator}({}, 1, 'library/{name}', 0, 0)", 1000 + at).unwrap();
    }
    let mut statements = vec![repositories];
    let mut add = |head: &str, values: Vec<String>| {
        for chunk in values.chunks(500) {
            statements.push(format!("{head} VALUES {}", chunk.join(", ")));
        }
    };
    let manifests = all.iter().map(|one| {
        let accessory = if one.accessory { "'sha256:of-something'" } else { "NULL" };
        // What is tagged was pushed long ago, and its first tag when it counts.
        let created = if one.tags.is_empty() { now - one.pushed } else { now - 500 * DAY };
        format!(
            "({}, {}, 'sha256:{:064x}', '{MANIFEST}', {no}, {bytes}, 2, {created}, 'IMAGE', {accessory})",
            one.id,
            1000 + one.repository,
            one.id
        )
    });
    let head = format!(
        "INSERT INTO manifest (id, repo_id, digest, media_type, is_index, bytes, size, created_at,
             kind, accessory_of){given}"
    );
    add(&head, manifests.collect());
    let tags = all.iter().flat_map(|one| {
        one.tags.iter().enumerate().map(move |(at, tag)| {
            let updated = now - one.pushed - i64::try_from(at).unwrap() * 100 * DAY;
            let immutable = if one.immutable && at == 0 { yes } else { no };
            format!("({}, '{tag}', {}, {immutable}, 0, {updated})", 1000 + one.repository, one.id)
        })
    });
    let head = "INSERT INTO tag (repo_id, name, manifest_id, immutable, created_at, updated_at)";
    add(head, tags.collect());
    let pulled = |one: &Artifact| one.pulled.map(|pulled| now - pulled);
    let of_manifest = all.iter().filter(|one| one.tags.is_empty());
    let of_manifest = of_manifest.filter_map(|one| Some(format!("({}, {})", one.id, pulled(one)?)));
    add("INSERT INTO manifest_pull (manifest_id, pulled_at)", of_manifest.collect());
    let of_tag = all.iter().filter_map(|one| {
        let (repository, at) = (1000 + one.repository, pulled(one)?);
        Some(format!("({repository}, '{}', {at})", one.tags.first()?))
    });
    add("INSERT INTO tag_pull (repo_id, name, pulled_at)", of_tag.collect());
    let children = all.iter().filter_map(|one| Some(format!("({}, {})", one.held_by?, one.id)));
    add("INSERT INTO manifest_child (parent_id, child_id)", children.collect());
    statements.push(format!(
        "UPDATE project_usage SET used = used + {} WHERE project_id = 1",
        2 * all.len()
    ));
    statements
}

async fn ids(server: &Server) -> BTreeSet<i64> {
    let database = server.database().await;
    let rows: Vec<(i64,)> = database.rows("SELECT id FROM manifest", &[]).await;
    database.close().await;
    rows.into_iter().map(|(id,)| id).collect()
}

/// Every digest that a log says goes, and how many lines it has.
async fn told(person: &roadstead_tests::http::Person, execution: &str) -> (usize, usize, i64) {
    let (mut going, mut lines, mut retained) = (0, 0, 0);
    let tasks = person.read(&format!("{execution}/tasks?page_size=0")).await;
    for task in tasks.as_array().unwrap() {
        let log = person.get(&format!("/api/v2.0{execution}/tasks/{}", task["id"])).await;
        let log = log.text().await.unwrap();
        going += log.lines().filter(|line| line.ends_with("| DEL")).count();
        lines += log.lines().filter(|line| line.starts_with("sha256:")).count();
        retained += task["retained"].as_i64().unwrap();
    }
    (going, lines, retained)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_ten_thousand_artifacts_leaves_what_an_oracle_leaves() {
    let mut rng = rng();
    let mut server = setup().env("ROADSTEAD_COLLECTION_RATE", "0").start();
    server.damaged_on_purpose();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_micros()).unwrap();
    let all = artifacts(&mut rng);
    let database = server.database().await;
    for statement in statements(&all, now, server.is_on_postgres()) {
        database.execute(&statement, &[]).await;
    }
    let rules: Vec<Rule> = (0..12).map(|_| Rule::random(&mut rng)).collect();
    let written: Vec<Value> = rules.iter().enumerate().map(|(at, rule)| rule.written(at)).collect();
    println!("{}", serde_json::to_string(&written).unwrap());
    let expected: BTreeSet<i64> =
        (0..REPOSITORIES.len()).flat_map(|repository| left(&rules, &all, repository)).collect();

    let admin = server.admin();
    let path = make(&admin, "library", &written).await;
    let dry = execute(&admin, &path, json!({"dry_run": true})).await;
    assert_eq!(ids(&server).await.len(), ARTIFACTS, "a dry run deletes nothing");
    let began = std::time::Instant::now();
    let wet = execute(&admin, &path, json!({})).await;
    let took = began.elapsed();
    let found = ids(&server).await;
    let gone = ARTIFACTS - found.len();
    println!("{gone} of {ARTIFACTS} went, in {took:.1?}");
    let wrongly = |a: &BTreeSet<i64>, b: &BTreeSet<i64>| {
        let first = a.difference(b).next();
        first.map(|id| all.iter().find(|one| one.id == *id).unwrap().clone())
    };
    assert_eq!(
        found,
        expected,
        "left too much {:?}, too little {:?}",
        wrongly(&found, &expected),
        wrongly(&expected, &found)
    );
    let (going, lines, retained) = told(&admin, &wet).await;
    assert_eq!((going, lines - going), (gone, usize::try_from(retained).unwrap()));
    // What an index holds is found out by deleting it.
    let held = all.iter().filter(|one| one.held_by.is_some()).count();
    let (foretold, of_dry, _) = told(&admin, &dry).await;
    assert_eq!(of_dry, lines);
    assert!(foretold >= gone && foretold <= gone + held, "{foretold} {gone} {held}");

    let used = database.number("SELECT used FROM project_usage WHERE project_id = 1").await;
    assert_eq!(usize::try_from(used).unwrap(), 2 * found.len(), "the quota is exact");
    database.close().await;
    execute(&admin, &path, json!({})).await;
    let again = ids(&server).await;
    assert!(again.is_subset(&found));
}
