use roadstead_model::{Algorithm, Digest};

use super::*;
use crate::filter::Test;
use crate::tables::manifest::{self, NewManifest};
use crate::tables::principal::{self, Kind};
use crate::tables::{project, repository};
use crate::testing::{Kept, database, on_both_engines};
use crate::{Db, Error};

const NOW: Timestamp = Timestamp(1);

const fn text(name: &str) -> Text<'_> {
    Text { name, description: "", color: "" }
}

/// Two projects, and an artifact of the first one.
async fn two_projects() -> (Kept, Db, [ProjectId; 2], ManifestId) {
    let (kept, db) = database(2).await;
    let mut tx = db.begin().await.unwrap();
    let owner = principal::insert(&mut tx, Kind::User, "owner", NOW).await.unwrap();
    let mut projects = Vec::new();
    for name in ["team", "other"] {
        let name = name.parse().unwrap();
        projects.push(project::insert(&mut tx, &name, owner, false, -1, NOW).await.unwrap());
    }
    let name = "team/app".parse().unwrap();
    let repository = repository::ensure(&mut tx, projects[0], &name, NOW).await.unwrap();
    let new = NewManifest {
        digest: &Digest::of(Algorithm::Sha256, b"x"),
        media_type: "application/vnd.oci.image.manifest.v1+json",
        is_index: false,
        bytes: b"x",
        depth: 0,
        subject: None,
        artifact_type: None,
        annotations: None,
        facts: manifest::Facts::default(),
    };
    let manifest = manifest::insert(&mut tx, repository, new, NOW).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    (kept, db, [projects[0], projects[1]], manifest)
}

#[tokio::test]
async fn a_name_is_there_once_in_a_project_and_once_among_those_of_all() {
    on_both_engines(async || {
        let (_kept, db, [team, other], _) = two_projects().await;
        for project in [None, Some(team), Some(other)] {
            let mut tx = db.begin().await.unwrap();
            insert(&mut tx, project, text("stable"), NOW).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = db.begin().await.unwrap();
            let again = insert(&mut tx, project, text("stable"), NOW).await;
            assert!(matches!(again, Err(Error::Conflict)), "{project:?}");
        }
        let mut tx = db.begin().await.unwrap();
        let second = insert(&mut tx, None, text("Stable"), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let renamed = update(&mut tx, second, text("stable"), NOW).await;
        assert!(matches!(renamed, Err(Error::Conflict)));
        drop(tx);
        let mut conn = db.read().await.unwrap();
        let named = [Condition { column: "l.name", test: Test::Contains("STAB".into()) }];
        assert_eq!(count(&mut conn, None, &named).await.unwrap(), 2);
        assert_eq!(count(&mut conn, Some(team), &named).await.unwrap(), 1);
        let order = [("l.name", false)];
        let found = list(&mut conn, None, &named, &order, 10, 1).await.unwrap();
        assert_eq!(found.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(), ["stable"]);
    })
    .await;
}

#[tokio::test]
async fn an_artifact_carries_labels_of_its_project_and_of_all_until_either_goes() {
    on_both_engines(async || {
        let (_kept, db, [team, other], manifest) = two_projects().await;
        let mut tx = db.begin().await.unwrap();
        let mut ids = Vec::new();
        for project in [None, Some(team), Some(other)] {
            ids.push(insert(&mut tx, project, text("stable"), NOW).await.unwrap());
        }
        assert!(attach(&mut tx, team, manifest, ids[1]).await.unwrap());
        assert!(attach(&mut tx, team, manifest, ids[0]).await.unwrap());
        assert!(!attach(&mut tx, team, manifest, ids[2]).await.unwrap(), "another project's");
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let again = attach(&mut tx, team, manifest, ids[0]).await;
        assert!(matches!(again, Err(Error::Conflict)));
        drop(tx);
        let carried = async || {
            let mut conn = db.read().await.unwrap();
            let found = of_manifests(&mut conn, &[ManifestId(0), manifest]).await.unwrap();
            let labels = found.get(&manifest).cloned().unwrap_or_default();
            labels.iter().map(|label| label.id).collect::<Vec<_>>()
        };
        assert_eq!(carried().await, ids[..2]);
        let mut tx = db.begin().await.unwrap();
        assert!(remove(&mut tx, ids[0]).await.unwrap());
        assert!(!detach(&mut tx, manifest, ids[0]).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(carried().await, [ids[1]]);
        let mut tx = db.begin().await.unwrap();
        assert!(manifest::remove(&mut tx, manifest).await.unwrap());
        tx.commit().await.unwrap();
        assert!(carried().await.is_empty());
        assert!(find(&mut db.read().await.unwrap(), ids[1]).await.unwrap().is_some());
    })
    .await;
}
