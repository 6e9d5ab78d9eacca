use super::purge::{Position, Selection};
use super::*;
use crate::Condition;
use crate::filter::{Operand, Test};
use crate::tables::paged::Slice;
use crate::tables::setting;
use crate::tables::stage::{Stage, at, nobody};

const FORWARD: &str = "config.audit_log_forward_endpoint";

/// Writes events with these resources, a second apart.
async fn events(tx: &mut Tx, kind: &'static str, resources: &[&str]) -> Vec<i64> {
    for (second, resource) in (1..).zip(resources) {
        record(tx, nobody(), Event::of(kind, resource, "create"), at(second)).await.unwrap();
    }
    let all = list(tx, Part::Everything, &[], &[("a.id", false)], 100, 0).await.unwrap();
    let ours = all.into_iter().filter(|entry| entry.resource_type == kind);
    ours.map(|entry| entry.id).collect()
}

fn ids(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn an_event_is_read_as_it_was_written_and_projects_keep_theirs_apart() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let event = Event::of("tag", "team/app:Grüße", "delete").described("by hand").refused();
        record(&mut tx, nobody(), event.in_project(stage.project), at(7)).await.unwrap();
        events(&mut tx, "user", &["somebody"]).await;
        let part = Part::Project(stage.project);
        let found = list(&mut tx, part, &[], &[], 10, 0).await.unwrap();
        assert_eq!((found.len(), count(&mut tx, part, &[]).await.unwrap()), (1, 1));
        assert_eq!((found[0].at, found[0].project), (at(7), Some(stage.project)));
        assert_eq!((found[0].resource.as_str(), found[0].success), ("team/app:Grüße", false));
        assert_eq!((found[0].operation.as_str(), found[0].actor.as_str()), ("delete", "system"));
        assert_eq!(found[0].description, "by hand");
        assert_eq!(count(&mut tx, Part::Everything, &[]).await.unwrap(), 2);
        let is = Test::Equals(Operand::Boolean(true));
        let done = [Condition { column: "a.success", test: is }];
        assert_eq!(count(&mut tx, Part::Everything, &done).await.unwrap(), 1);
        assert!(list(&mut tx, Part::Everything, &[], &[], 10, 2).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn pages_of_the_whole_log_are_the_same_from_whichever_end_they_are_looked_for() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        events(&mut tx, "user", &["a", "b", "c", "d", "e", "f", "g"]).await;
        let all = list(&mut tx, Part::Everything, &[], &NEWEST_FIRST, 100, 0).await.unwrap();
        let all = ids(&all);
        for (limit, offset) in (0..4).flat_map(|limit| (0..10).map(move |offset| (limit, offset))) {
            let slice = Slice { limit, offset };
            let page = page(&mut tx, Part::Everything, &[], &NEWEST_FIRST, slice).await.unwrap();
            let skip = usize::try_from(offset).unwrap();
            let there: Vec<i64> =
                all.iter().skip(skip).take(usize::try_from(limit).unwrap()).copied().collect();
            assert_eq!((page.0, ids(&page.1)), (7, there), "{limit} from {offset}");
        }
    })
    .await;
}

#[tokio::test]
async fn events_wait_for_the_collector_in_their_order_until_it_has_them_or_is_gone() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        events(&mut tx, "before", &["x"]).await;
        assert!(forward::waiting(&mut tx, 10).await.unwrap().is_empty());
        setting::set(&mut tx, FORWARD, "udp://127.0.0.1:514").await.unwrap();
        let written = events(&mut tx, "artifact", &["a", "b", "c", "d", "e"]).await;
        assert_eq!(ids(&forward::waiting(&mut tx, 2).await.unwrap()), written[..2]);
        forward::done(&mut tx, &written[..1]).await.unwrap();
        forward::done(&mut tx, &[]).await.unwrap();
        assert_eq!(ids(&forward::waiting(&mut tx, 10).await.unwrap()), written[1..]);
        forward::remove(&mut tx, &written[1..2]).await.unwrap();
        assert_eq!(ids(&forward::waiting(&mut tx, 10).await.unwrap()), written[2..]);
        assert_eq!(count(&mut tx, Part::Everything, &[]).await.unwrap(), 5);
        assert_eq!(forward::release(&mut tx, 10).await.unwrap(), 0, "there is a collector");
        setting::set(&mut tx, FORWARD, "").await.unwrap();
        assert_eq!(forward::release(&mut tx, 2).await.unwrap(), 2);
        assert_eq!(ids(&forward::waiting(&mut tx, 10).await.unwrap()), written[4..]);
        assert_eq!(forward::release(&mut tx, 2).await.unwrap(), 1);
        assert_eq!(count(&mut tx, Part::Everything, &[]).await.unwrap(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_purge_takes_old_events_of_its_types_in_batches_and_never_what_waits() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let old = events(&mut tx, "artifact", &["a", "b", "c", "d"]).await;
        events(&mut tx, "tag", &["kept"]).await;
        let of = |types: &[&str], second| Selection {
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            before: at(second),
        };
        let selection = of(&["create_artifact", "delete_tag"], 4);
        assert_eq!(purge::count(&mut tx, &selection).await.unwrap(), 3, "the fourth is too young");
        assert_eq!(purge::count(&mut tx, &of(&[], 100)).await.unwrap(), 0);
        let first = purge::batch(&mut tx, &selection, Position::START, 2).await.unwrap();
        assert_eq!(first.0, old[..2]);
        let second = purge::batch(&mut tx, &selection, first.1, 2).await.unwrap();
        assert_eq!(second.0, old[2..3]);
        let end = purge::batch(&mut tx, &selection, second.1, 2).await.unwrap();
        assert_eq!((end.0, end.1), (Vec::new(), second.1));
        setting::set(&mut tx, FORWARD, "udp://127.0.0.1:514").await.unwrap();
        let waiting = events(&mut tx, "user", &["w"]).await;
        assert_eq!(purge::count(&mut tx, &of(&["create_user"], 100)).await.unwrap(), 0);
        assert_eq!(purge::remove(&mut tx, &waiting).await.unwrap(), 0);
        assert_eq!(purge::remove(&mut tx, &old[..3]).await.unwrap(), 3);
        assert_eq!(purge::remove(&mut tx, &old[..3]).await.unwrap(), 0);
        assert_eq!(purge::remove(&mut tx, &[]).await.unwrap(), 0);
        assert_eq!(count(&mut tx, Part::Everything, &[]).await.unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn events_of_one_moment_are_purged_once_each_however_small_the_batch() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        for name in ["a", "b", "c"] {
            record(&mut tx, nobody(), Event::of("tag", name, "create"), at(1)).await.unwrap();
        }
        let selection = Selection { types: vec!["create_tag".to_owned()], before: at(2) };
        let (mut behind, mut seen) = (Position::START, Vec::new());
        loop {
            let (ids, last) = purge::batch(&mut tx, &selection, behind, 1).await.unwrap();
            if ids.is_empty() {
                break;
            }
            seen.extend(ids);
            behind = last;
        }
        assert_eq!(seen.len(), 3);
        assert!(seen.is_sorted());
    })
    .await;
}
