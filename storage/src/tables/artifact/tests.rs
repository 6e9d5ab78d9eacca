use std::time::Duration;

use super::*;
use crate::Db;
use crate::tables::binding::{self, Scope};
use crate::tables::paged::Slice;
use crate::tables::stage::{self, NOW, Stage, index, manifest, person, referrer, tag};
use crate::tables::viewer::Viewer;
use crate::tables::{held, manifest as manifests, recount, repository, tag as tags};

async fn listed(tx: &mut Tx, of: Of) -> Vec<i64> {
    let (total, found) = page(tx, all(of), Slice { limit: 1000, offset: 0 }).await.unwrap();
    assert_eq!(usize::try_from(total), Ok(found.len()));
    assert_eq!(recount::mislisted(tx).await.unwrap(), (vec![], vec![]));
    found.into_iter().map(|artifact| artifact.id.0).collect()
}

fn all(of: Of) -> Filter<'static> {
    Filter {
        of,
        with_children: false,
        tagged: Tagged::Whatever,
        labels: &[],
        latest_in_repository: false,
        conditions: &[],
        order: &NEWEST_FIRST,
    }
}

#[tokio::test]
async fn what_only_an_index_names_is_listed_while_it_has_a_tag() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let app = stage.repository;
        let of = Of::Repository(app);
        let mut tx = stage.begin().await;
        let child = manifest(&mut tx, app, "child").await;
        let other = manifest(&mut tx, app, "other").await;
        let signature = referrer(&mut tx, app, "signature", "child").await;
        assert_eq!(listed(&mut tx, of).await, [other.0, child.0]);
        let first = index(&mut tx, app, "first").await;
        let second = index(&mut tx, app, "second").await;
        held::hold_children(&mut tx, first, [child, signature]).await.unwrap();
        held::hold_children(&mut tx, second, [child]).await.unwrap();
        assert_eq!(listed(&mut tx, of).await, [second.0, first.0, other.0]);
        tag(&mut tx, app, "v1", child).await;
        tag(&mut tx, app, "v2", child).await;
        assert_eq!(listed(&mut tx, of).await.len(), 4);
        tag(&mut tx, app, "v1", other).await;
        assert_eq!(listed(&mut tx, of).await.len(), 4);
        tags::remove(&mut tx, app, &"v2".parse().unwrap()).await.unwrap();
        assert_eq!(listed(&mut tx, of).await, [second.0, first.0, other.0]);
        manifests::remove(&mut tx, first).await.unwrap();
        assert_eq!(listed(&mut tx, of).await, [second.0, other.0]);
        tag(&mut tx, app, "v1", child).await;
        assert_eq!(listed(&mut tx, of).await, [second.0, other.0, child.0]);
        manifests::remove(&mut tx, second).await.unwrap();
        tags::remove_all_in(&mut tx, app).await.unwrap();
        assert_eq!(listed(&mut tx, of).await, [other.0, child.0]);
        attach(
            &mut tx,
            other,
            manifests::Facts { accessory_of: Some("x"), ..manifests::Facts::default() },
        )
        .await
        .unwrap();
        assert_eq!(listed(&mut tx, of).await, [child.0]);
        manifests::remove_all_in(&mut tx, app).await.unwrap();
        assert!(listed(&mut tx, of).await.is_empty());
        assert_eq!(
            repository::count(&mut tx, Viewer::EVERYTHING, repository::Filter::default())
                .await
                .unwrap(),
            0
        );
    })
    .await;
}

#[tokio::test]
async fn what_lists_go_by_is_seen_when_it_is_wrong_and_put_right() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let image = manifest(&mut tx, stage.repository, "image").await;
        let empty = stage::repository(&mut tx, stage.project, "team/empty").await;
        for wrong in ["listed = FALSE", "project_id = NULL", "project_id = 77"] {
            let text = match wrong {
                "listed = FALSE" => "UPDATE manifest SET listed = FALSE",
                "project_id = NULL" => "UPDATE manifest SET project_id = NULL",
                _ => "UPDATE manifest SET project_id = 77",
            };
            tx.query(text).execute().await.unwrap();
            tx.query("UPDATE repository SET maybe_empty = FALSE").execute().await.unwrap();
            let found = recount::mislisted(&mut tx).await.unwrap();
            assert_eq!(found, (vec![image], vec![empty]), "{wrong}");
            recount::relist(&mut tx, &found.0, &found.1).await.unwrap();
            let of = Of::Project(stage.project, Viewer::EVERYTHING);
            assert_eq!(listed(&mut tx, of).await, [image.0], "{wrong}");
        }
    })
    .await;
}

/// Each slice of a list is the same part of it, and says the same total.
async fn every_page_is_right(tx: &mut Tx, filter: Filter<'_>) -> usize {
    let (_, whole) = page(tx, filter, Slice { limit: i64::MAX, offset: 0 }).await.unwrap();
    let whole: Vec<i64> = whole.into_iter().map(|artifact| artifact.id.0).collect();
    for limit in [1, 3, 10, 40] {
        for offset in 0..30 {
            let (total, found) = page(tx, filter, Slice { limit, offset }).await.unwrap();
            assert_eq!(usize::try_from(total), Ok(whole.len()), "{limit} {offset}");
            let found = found.into_iter().map(|artifact| artifact.id.0);
            let (limit, offset) = (usize::try_from(limit), usize::try_from(offset));
            let part = whole.iter().copied().skip(offset.unwrap()).take(limit.unwrap());
            assert_eq!(found.collect::<Vec<_>>(), part.collect::<Vec<_>>());
        }
    }
    whole.len()
}

#[tokio::test]
async fn pages_are_parts_of_the_whole_whatever_it_is_narrowed_to() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let (team, app) = (stage.project, stage.repository);
        let mut tx = stage.begin().await;
        let web = stage::repository(&mut tx, team, "team/web").await;
        for number in 0..24 {
            let place = if number % 4 == 0 { web } else { app };
            let id = manifest(&mut tx, place, &format!("image {number}")).await;
            if number % 3 == 0 {
                tag(&mut tx, place, &format!("v{number}"), id).await;
            }
        }
        // Some were pushed in the same moment.
        let moments = "UPDATE manifest SET created_at = id / 3";
        tx.query(moments).execute().await.unwrap();
        let guest = person(&mut tx, "guest").await;
        let role = roadstead_model::RoleId(3);
        binding::insert(&mut tx, guest, role, Scope::Project(team), "web", NOW).await.unwrap();
        let guest = Viewer { everything: false, principal: Some(guest), via: None };
        let nobody = Viewer { principal: None, ..guest };
        let of_app = all(Of::Repository(app));
        assert_eq!(every_page_is_right(&mut tx, of_app).await, 18);
        let tagged = Filter { tagged: Tagged::Like("V"), ..of_app };
        assert_eq!(every_page_is_right(&mut tx, tagged).await, 6);
        let sorted = [("r.name", false), ("u.pulled_at", true), ("m.id", true)];
        let sorted = Filter { order: &sorted, ..of_app };
        assert_eq!(every_page_is_right(&mut tx, sorted).await, 18);
        for (viewer, expected) in [(Viewer::EVERYTHING, 24), (guest, 6), (nobody, 0)] {
            let of_team = all(Of::Project(team, viewer));
            assert_eq!(every_page_is_right(&mut tx, of_team).await, expected);
        }
    })
    .await;
}

/// Pseudo-random numbers; the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((self.0 >> 33) % bound).unwrap()
    }
}

const ROUNDS: usize = 40;
const WRITERS: usize = 6;
const TAGS: [&str; 3] = ["a", "b", "c"];

/// Changes something that decides whether a manifest is listed.
async fn change(
    tx: &mut Tx,
    app: i64,
    children: &[ManifestId],
    parents: &[ManifestId],
    dice: &mut Dice,
) -> Result<()> {
    let (child, parent) = (children[dice.below(3)].0, parents[dice.below(3)].0);
    let name = TAGS[dice.below(3)];
    let query = match dice.below(5) {
        0 | 1 => tx
            .query(
                "INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
                 VALUES ($1, $2, $3, 0, 0) ON CONFLICT (repo_id, name)
                 DO UPDATE SET manifest_id = excluded.manifest_id",
            )
            .bind(app)
            .bind(name)
            .bind(child),
        2 => tx.query("DELETE FROM tag WHERE repo_id = $1 AND name = $2").bind(app).bind(name),
        3 => tx
            .query(
                "INSERT INTO manifest_child (parent_id, child_id) VALUES ($1, $2)
                 ON CONFLICT DO NOTHING",
            )
            .bind(parent)
            .bind(child),
        _ => tx.query("DELETE FROM manifest_child WHERE parent_id = $1").bind(parent),
    };
    query.execute().await.map(drop)
}

/// A transaction with one or two changes; whether it was committed.
async fn write(
    db: Db,
    app: i64,
    children: Vec<ManifestId>,
    parents: Vec<ManifestId>,
    mut dice: Dice,
) -> bool {
    let mut tx = db.begin().await.unwrap();
    if tx.is_postgres() {
        // Many wait for each other in a circle here, each time for a second otherwise.
        tx.query("SET LOCAL deadlock_timeout = '10ms'").execute().await.unwrap();
    }
    for _ in 0..=dice.below(2) {
        if change(&mut tx, app, &children, &parents, &mut dice).await.is_err() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(dice.below(4) as u64)).await;
    }
    tx.commit().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_tags_and_indexes_at_once_lists_are_right() {
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    eprintln!("seed {seed}");
    crate::testing::on_both_engines(async || {
        let (_kept, db) = crate::testing::database(8).await;
        let mut tx = db.begin().await.unwrap();
        let owner = person(&mut tx, "owner").await;
        let team = stage::project(&mut tx, "team", owner, false).await;
        let app = stage::repository(&mut tx, team, "team/app").await;
        let (mut children, mut parents) = (Vec::new(), Vec::new());
        for number in 0..3 {
            children.push(manifest(&mut tx, app, &format!("child {number}")).await);
            parents.push(index(&mut tx, app, &format!("index {number}")).await);
        }
        tx.commit().await.unwrap();
        let mut dice = Dice(seed);
        let mut committed = 0;
        for round in 0..ROUNDS {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| {
                    let (children, parents) = (children.clone(), parents.clone());
                    let own = Dice(dice.below(1 << 30) as u64);
                    tokio::spawn(write(db.clone(), app.0, children, parents, own))
                })
                .collect();
            for writer in writers {
                committed += usize::from(writer.await.unwrap());
            }
            // After each round, because later changes put right what went wrong before.
            let mut conn = db.read().await.unwrap();
            let found = recount::mislisted(&mut conn).await.unwrap();
            assert_eq!(found, (vec![], vec![]), "round {round}");
        }
        assert!(committed > ROUNDS * WRITERS / 2, "{committed}");
    })
    .await;
}
