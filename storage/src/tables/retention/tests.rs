use roadstead_model::ManifestId;

use super::verdict::Verdict;
use super::*;
use crate::tables::execution::{self, Status, queues};
use crate::tables::schedule::Schedule;
use crate::tables::stage::{self, Stage, at};
use crate::tables::{gc_queue, project, pull};

fn text(cron: &str) -> Text {
    Text {
        algorithm: "or".to_owned(),
        rules: "[]".to_owned(),
        cron: cron.to_owned(),
        delete_when_nothing_matches: false,
    }
}

fn daily(vendor: i64) -> Schedule {
    Schedule {
        job: RETENTION.to_owned(),
        vendor,
        kind: "Custom".to_owned(),
        cron: "0 0 0 * * *".to_owned(),
        parameters: "{}".to_owned(),
        next_at: Some(at(10)),
        created_at: at(1),
        updated_at: at(1),
    }
}

#[tokio::test]
async fn a_policy_goes_with_its_schedule_and_executions_and_with_its_project() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let id = insert(&mut tx, stage.project, &text(""), at(1)).await.unwrap();
        let changed = Text { delete_when_nothing_matches: true, ..text("0 0 0 * * *") };
        assert!(update(&mut tx, id, &changed, at(2)).await.unwrap());
        let policy = Policy { id, project: stage.project, text: changed };
        assert_eq!(find(&mut tx, id).await.unwrap(), Some(policy.clone()));
        assert_eq!(of_project(&mut tx, stage.project).await.unwrap(), Some(policy));
        for vendor in [id, id + 1] {
            schedule::put(&mut tx, &daily(vendor)).await.unwrap();
            vendor::insert(&mut tx, (RETENTION, vendor), "MANUAL", "{}", at(3)).await.unwrap();
        }
        assert!(remove(&mut tx, id).await.unwrap());
        assert!(!remove(&mut tx, id).await.unwrap());
        assert_eq!(find(&mut tx, id).await.unwrap(), None);
        assert_eq!(schedule::count(&mut tx).await.unwrap(), 1);
        assert_eq!(execution::count(&mut tx, RETENTION, &[]).await.unwrap(), 1);

        let empty = stage::project(&mut tx, "empty", stage.owner, false).await;
        let next = insert(&mut tx, empty, &text(""), at(4)).await.unwrap();
        assert!(next > id, "ids are not given again");
        schedule::put(&mut tx, &daily(next)).await.unwrap();
        crate::tables::binding::remove_all_in(&mut tx, empty).await.unwrap();
        assert!(project::remove(&mut tx, empty, Timestamp(9)).await.unwrap());
        assert_eq!(find(&mut tx, next).await.unwrap(), None);
        tx.commit().await.unwrap();

        let mut tx = stage.begin().await;
        insert(&mut tx, stage.project, &text(""), at(5)).await.unwrap();
        let second = insert(&mut tx, stage.project, &text(""), at(5)).await;
        assert!(matches!(second, Err(crate::Error::Conflict)), "{second:?}");
    })
    .await;
}

#[tokio::test]
async fn candidates_are_what_lists_show_with_the_latest_of_their_times() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let repository = stage.repository;
        let mut tx = stage.begin().await;
        let tagged = stage::manifest(&mut tx, repository, "tagged").await;
        let index = stage::index(&mut tx, repository, "index").await;
        let child = stage::manifest(&mut tx, repository, "child").await;
        let leased = stage::manifest(&mut tx, repository, "leased").await;
        let accessory = stage::manifest(&mut tx, repository, "accessory").await;
        crate::tables::held::hold_children(&mut tx, index, [child]).await.unwrap();
        gc_queue::manifest(&mut tx, repository, leased, at(1), Some(at(50))).await.unwrap();
        let statement = "UPDATE manifest SET accessory_of = digest WHERE id = $1";
        tx.query(statement).bind(accessory.0).execute().await.unwrap();
        for name in ["b", "a"] {
            stage::tag(&mut tx, repository, name, tagged).await;
        }
        for (statement, name, second) in [
            ("UPDATE tag SET updated_at = $1 WHERE name = $2", "b", 20),
            ("UPDATE tag SET immutable = ($1 > 0) WHERE name = $2", "a", 1),
        ] {
            tx.query(statement).bind(at(second).0).bind(name).execute().await.unwrap();
        }
        for (tag, second) in [(None, 30), (Some("a"), 40)] {
            let (times, last) = (1, at(second));
            let pulled = pull::Pulled { repository, manifest: tagged, tag, times, last };
            pull::note(&mut tx, pulled).await.unwrap();
        }
        let statement = "INSERT INTO label (project_id, name, description, color, created_at,
            updated_at) VALUES ($1, $2, '', '', 0, 0)";
        tx.query(statement).bind(stage.project.0).bind("old").execute().await.unwrap();
        let statement =
            "INSERT INTO artifact_label (manifest_id, label_id) SELECT $1, id FROM label";
        tx.query(statement).bind(tagged.0).execute().await.unwrap();

        let found = candidate::all(&mut tx, repository, at(49)).await.unwrap();
        let ids: Vec<ManifestId> = found.iter().map(|candidate| candidate.id).collect();
        assert_eq!(ids, [tagged, index], "no child, no accessory, nothing on its way");
        let first = &found[0];
        assert_eq!((first.pushed_at, first.pulled_at), (at(20), Some(at(40))));
        assert_eq!((first.tags.join(" ").as_str(), first.immutable), ("a b", true));
        assert_eq!((first.labels.join(" ").as_str(), first.created_at), ("old", stage::NOW));
        assert_eq!((found[1].pushed_at, found[1].pulled_at), (stage::NOW, None));
        let later = candidate::all(&mut tx, repository, at(50)).await.unwrap();
        assert_eq!(later.len(), 3);
        let some = candidate::some(&mut tx, repository, &[tagged, child]).await.unwrap();
        assert_eq!(some.len(), 2);
        let again = some.iter().find(|candidate| candidate.id == tagged).unwrap();
        assert_eq!(again, &candidate::Candidate { labels: Vec::new(), ..first.clone() });
    })
    .await;
}

#[tokio::test]
async fn a_task_counts_what_was_deleted_and_ends_with_its_execution() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let manifests = [
            stage::manifest(&mut tx, stage.repository, "one").await,
            stage::manifest(&mut tx, stage.repository, "two").await,
            stage::manifest(&mut tx, stage.repository, "three").await,
        ];
        let found = task::repositories(&mut tx, stage.project).await.unwrap();
        assert_eq!(found, [(stage.repository, "team/app".to_owned())]);
        let execution = vendor::insert(&mut tx, (RETENTION, 1), "MANUAL", "{}", at(1)).await;
        let execution = execution.unwrap();
        assert!(queues::begin(&mut tx, execution, "here", at(1)).await.unwrap());
        for _ in 0..2 {
            task::insert(&mut tx, execution, (stage.repository, "team/app"), at(2)).await.unwrap();
        }
        let first = task::next(&mut tx, execution).await.unwrap().unwrap();
        assert_eq!((first.status.as_str(), first.total), ("Pending", 0));
        let all = candidate::all(&mut tx, stage.repository, at(9)).await.unwrap();
        for (candidate, verdict) in all.iter().zip([Verdict::Retain, Verdict::Wait, Verdict::Wait])
        {
            verdict::insert(&mut tx, first.id, candidate, verdict).await.unwrap();
        }
        task::begin(&mut tx, first.id, 3, "begun\n").await.unwrap();
        let waiting = verdict::waiting(&mut tx, first.id, 1).await.unwrap();
        assert_eq!(waiting[0].id, manifests[2], "what came last goes first");
        assert!(waiting[0].still_fits(&all[2]));
        let touched = candidate::Candidate { pulled_at: Some(at(5)), ..all[2].clone() };
        assert!(!waiting[0].still_fits(&touched));
        verdict::set(&mut tx, first.id, manifests[2], Verdict::Delete).await.unwrap();
        verdict::set(&mut tx, first.id, manifests[1], Verdict::Error).await.unwrap();
        assert_eq!(verdict::waiting(&mut tx, first.id, 9).await.unwrap(), []);
        task::finish(&mut tx, first.id, Status::Success, "ended\n", at(6)).await.unwrap();
        let done = task::find(&mut tx, execution, first.id).await.unwrap().unwrap();
        assert_eq!((done.total, done.retained, done.note.as_str()), (3, 2, "begun\nended\n"));
        assert_eq!((done.status.as_str(), done.ended_at), ("Success", Some(at(6))));
        assert_eq!(verdict::all(&mut tx, first.id).await.unwrap().len(), 3);
        let second = task::next(&mut tx, execution).await.unwrap().unwrap();
        assert!(second.id > first.id && !task::has_failed(&mut tx, execution).await.unwrap());
        assert!(execution::stop(&mut tx, execution, "", at(7)).await.unwrap());
        let listed = task::list(&mut tx, execution, 9, 0).await.unwrap();
        let statuses: Vec<&str> = listed.iter().map(|task| task.status.as_str()).collect();
        assert_eq!(statuses, ["Success", "Stopped"]);
        task::finish(&mut tx, second.id, Status::Error, "", at(8)).await.unwrap();
        assert!(task::has_failed(&mut tx, execution).await.unwrap());
        verdict::remove_all(&mut tx, first.id).await.unwrap();
        assert_eq!(verdict::all(&mut tx, first.id).await.unwrap(), []);
        assert_eq!(task::count(&mut tx, execution).await.unwrap(), 2);
        task::remove_all(&mut tx, execution).await.unwrap();
        assert_eq!(task::count(&mut tx, execution).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn one_execution_of_a_policy_runs_at_a_time_and_belongs_to_who_shows_life() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for policy in [1, 1, 2] {
            let made = vendor::insert(&mut tx, (RETENTION, policy), "MANUAL", "{}", at(1)).await;
            ids.push(made.unwrap());
        }
        let first = async |tx: &mut Tx| {
            vendor::first_pending(tx, RETENTION).await.unwrap().map(|found| found.id)
        };
        assert_eq!(first(&mut tx).await, Some(ids[0]));
        assert!(queues::begin(&mut tx, ids[0], "here", at(2)).await.unwrap());
        assert_eq!(first(&mut tx).await, Some(ids[2]), "one of the same policy runs");
        assert!(queues::begin(&mut tx, ids[2], "there", at(20)).await.unwrap());
        assert_eq!(first(&mut tx).await, None);
        assert_eq!(vendor::waiting(&mut tx, (RETENTION, 1)).await.unwrap(), 1);
        assert!(vendor::holds(&mut tx, ids[0], "here", at(3)).await.unwrap());
        assert!(!vendor::holds(&mut tx, ids[0], "there", at(3)).await.unwrap());
        assert_eq!(vendor::take_back(&mut tx, RETENTION, at(3), at(30)).await.unwrap(), 0);
        assert_eq!(vendor::take_back(&mut tx, RETENTION, at(4), at(30)).await.unwrap(), 1);
        assert!(!vendor::holds(&mut tx, ids[0], "here", at(31)).await.unwrap());
        assert_eq!(first(&mut tx).await, Some(ids[0]), "it is gone on with");
        assert!(!vendor::hand_back(&mut tx, ids[2], "here", "", at(31)).await.unwrap());
        assert!(vendor::hand_back(&mut tx, ids[2], "there", "later", at(31)).await.unwrap());
        let found = vendor::find(&mut tx, (RETENTION, 2), ids[2]).await.unwrap().unwrap();
        assert_eq!((found.status.as_str(), found.vendor), ("Pending", 2));
        assert!(found.log.contains("later"));
        assert!(vendor::find(&mut tx, (RETENTION, 1), ids[2]).await.unwrap().is_none());
        let of_one = vendor::list(&mut tx, (RETENTION, 1), 9, 0).await.unwrap();
        assert_eq!(of_one.iter().map(|found| found.id).collect::<Vec<_>>(), [ids[1], ids[0]]);
        assert_eq!(vendor::count(&mut tx, (RETENTION, 1)).await.unwrap(), 2);
        for id in &ids {
            assert!(execution::stop(&mut tx, *id, "", at(40)).await.unwrap());
        }
        assert_eq!(vendor::trim(&mut tx, (RETENTION, 1), 1).await.unwrap(), 1);
        assert_eq!(vendor::count(&mut tx, (RETENTION, 1)).await.unwrap(), 1);
        assert_eq!(vendor::remove_all(&mut tx, (RETENTION, 1)).await.unwrap(), 1);
        assert_eq!(vendor::count(&mut tx, (RETENTION, 2)).await.unwrap(), 1);
    })
    .await;
}
