use roadstead_model::{Origin, ProjectId, Timestamp};

use super::at_once::{self, Finished};
use super::*;
use crate::Db;
use crate::tables::audit::{Actor, Event};
use crate::tables::stage::{Stage, at, blob as new_blob, sha256};
use crate::tables::usage;

const LEASE: Timestamp = Timestamp(99);

fn session() -> Upload {
    Upload {
        id: UploadId::random(),
        key: ObjectKey::fresh(),
        received: 0,
        layout: Layout::default(),
        algorithm: Algorithm::Sha256,
        hash_state: vec![0, 255],
    }
}

async fn numbers(db: &Db, sql: &'static str) -> i64 {
    db.read().await.unwrap().query(sql).fetch_one::<(i64,)>().await.unwrap().0
}

/// How many rows there are of what a link is made of.
async fn rows(db: &Db) -> [i64; 5] {
    [
        numbers(db, "SELECT COUNT(*) FROM blob").await,
        numbers(db, "SELECT COUNT(*) FROM repo_blob WHERE lease_until = 99").await,
        numbers(db, "SELECT COUNT(*) FROM project_blob").await,
        numbers(db, "SELECT COUNT(*) FROM gc_queue WHERE kind = 'link' AND not_before = 99").await,
        numbers(db, "SELECT COUNT(*) FROM audit_log WHERE resource = 'team/app@x'").await,
    ]
}

async fn link(stage: &Stage, upload: &Upload, owner: Owner, text: &str) -> bool {
    let digest = sha256(text);
    let size = text.len() as u64;
    let finished = Finished { digest: &digest, size, key: &upload.key, lease_until: LEASE };
    let origin = Origin::default();
    let actor = Actor { principal: Some(stage.owner), name: "owner", origin: &origin };
    let event = Event::of("blob", "team/app@x", "create").in_project(stage.project);
    at_once::link(&stage.db, upload, owner, stage.project, finished, (actor, event), at(3))
        .await
        .unwrap()
}

async fn opened(stage: &Stage) -> (Upload, Owner) {
    let (upload, owner) =
        (session(), Owner { repository: stage.repository, principal: stage.owner });
    let times = (at(1), at(50));
    assert!(at_once::open(&stage.db, &upload, owner, stage.project, 9, times).await.unwrap());
    (upload, owner)
}

#[tokio::test]
async fn an_upload_in_three_trips_leaves_what_its_transactions_leave() {
    let stage = Stage::new().await;
    let (mut upload, owner) = opened(&stage).await;
    let layout = Layout::default();
    let to = Advance { received: 5, hash_state: &[7], layout: &layout };
    assert!(at_once::advance(&stage.db, &upload, to, at(60)).await.unwrap());
    assert!(!at_once::advance(&stage.db, &upload, to, at(60)).await.unwrap(), "it moved");
    upload.received = 5;
    let mut conn = stage.db.read().await.unwrap();
    let found = find(&mut conn, upload.id, owner, at(59)).await.unwrap().unwrap();
    assert_eq!((found.received, found.hash_state), (5, vec![7]));
    drop(conn);
    assert!(link(&stage, &upload, owner, "12345").await);
    assert_eq!(rows(&stage.db).await, [1, 1, 1, 1, 1]);
    assert_eq!(numbers(&stage.db, "SELECT used FROM project_usage").await, 5);
    assert_eq!(numbers(&stage.db, "SELECT COUNT(*) FROM upload").await, 0);
    assert!(!link(&stage, &upload, owner, "12345").await, "twice");
    assert_eq!(rows(&stage.db).await, [1, 1, 1, 1, 1]);
    assert_eq!(numbers(&stage.db, "SELECT used FROM project_usage").await, 5);
}

#[tokio::test]
async fn where_something_is_in_the_way_nothing_is_written() {
    let stage = Stage::new().await;
    let (upload, owner) = opened(&stage).await;
    let times = (at(1), at(50));
    let open = async |owner, project, most| {
        at_once::open(&stage.db, &session(), owner, project, most, times).await.unwrap()
    };
    assert!(!open(owner, stage.project, 1).await, "too many");
    assert!(!open(owner, ProjectId(99), 9).await, "of another project");
    let nobody = Owner { principal: PrincipalId(99), ..owner };
    assert!(!open(nobody, stage.project, 9).await, "of nobody");
    assert!(!link(&stage, &upload, nobody, "12345").await, "of somebody else");
    let mut tx = stage.begin().await;
    new_blob(&mut tx, "known").await;
    tx.commit().await.unwrap();
    assert!(!link(&stage, &upload, owner, "known").await, "it is there already");
    let mut tx = stage.begin().await;
    usage::set_quota(&mut tx, stage.project, 5, at(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!link(&stage, &upload, owner, "12345").await, "it comes near the quota");
    let mut tx = stage.begin().await;
    usage::add(&mut tx, stage.project, 5).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!open(owner, stage.project, 9).await, "the project is full");
    assert_eq!(rows(&stage.db).await, [1, 0, 0, 0, 0]);
    assert_eq!(numbers(&stage.db, "SELECT COUNT(*) FROM upload").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn trips_and_transactions_share_commits() {
    let stage = std::sync::Arc::new(Stage::new().await);
    let tasks = (0..64).map(|n| {
        let stage = stage.clone();
        tokio::spawn(async move {
            if n % 2 == 0 {
                let (upload, owner) = opened_of_many(&stage).await;
                assert!(link(&stage, &upload, owner, &n.to_string()).await);
                return;
            }
            let mut tx = stage.begin().await;
            new_blob(&mut tx, &n.to_string()).await;
            if n % 4 == 1 {
                tx.commit().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(rows(&stage.db).await, [48, 32, 32, 32, 32]);
}

async fn opened_of_many(stage: &Stage) -> (Upload, Owner) {
    let owner = Owner { repository: stage.repository, principal: stage.owner };
    let (upload, times) = (session(), (at(1), at(50)));
    assert!(at_once::open(&stage.db, &upload, owner, stage.project, 99, times).await.unwrap());
    (upload, owner)
}
