use super::*;
use crate::Error;
use crate::filter::{Operand, Test};
use crate::tables::stage::{Stage, at, person};

async fn robot_of(
    tx: &mut Tx,
    name: &str,
    project: Option<ProjectId>,
    creator: PrincipalId,
) -> PrincipalId {
    let (description, duration, creator_type) = ("", -1, "local");
    let expires_at = None;
    let new = NewRobot { name, project, description, duration, expires_at, creator_type, creator };
    insert(tx, new, at(1)).await.unwrap()
}

#[tokio::test]
async fn robots_are_found_as_they_were_made_and_changed() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        let id = robot_of(&mut tx, "team+ci", Some(stage.project), stage.owner).await;
        let found = find(&mut tx, id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.project), ("team+ci", Some(stage.project)));
        assert_eq!((found.duration, found.expires_at, found.disabled), (-1, None, false));
        update(&mut tx, id, "builds", 7, Some(at(99)), at(5)).await.unwrap();
        let found = find(&mut tx, id).await.unwrap().unwrap();
        assert_eq!((found.description.as_str(), found.duration), ("builds", 7));
        assert_eq!((found.expires_at, found.created_at), (Some(at(99)), at(1)));
        assert_eq!(found.updated_at, at(5));
        set_expiry(&mut tx, id, None, at(6)).await.unwrap();
        let found = find(&mut tx, id).await.unwrap().unwrap();
        assert_eq!((found.expires_at, found.duration, found.updated_at), (None, 7, at(6)));
        assert!(find(&mut tx, stage.owner).await.unwrap().is_none(), "a person");
        let (name, creator, creator_type) = ("made", id, "robot");
        let (project, description, duration, expires_at) = (None, "", -1, None);
        let new =
            NewRobot { name, project, description, duration, expires_at, creator_type, creator };
        let made = insert(&mut tx, new, at(2)).await.unwrap();
        let of_robot = made_by(&mut tx, id).await.unwrap();
        assert_eq!(of_robot.iter().map(|robot| robot.id).collect::<Vec<_>>(), [made]);
        let anna = person(&mut tx, "anna").await;
        adopt(&mut tx, made, anna).await.unwrap();
        assert!(made_by(&mut tx, id).await.unwrap().is_empty());
        let found = find(&mut tx, made).await.unwrap().unwrap();
        assert_eq!((found.creator, found.creator_type.as_str()), (anna, "local"));
        tx.commit().await.unwrap();
        let mut tx = stage.begin().await;
        let again = insert(&mut tx, new, at(3)).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn robots_of_projects_and_of_the_system_are_listed_apart() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let team = Some(stage.project);
        let mut tx = stage.begin().await;
        let mut ids = Vec::new();
        for (name, project) in [("team+b", team), ("team+A", team), ("team+a", team), ("x", None)] {
            ids.push(robot_of(&mut tx, name, project, stage.owner).await);
        }
        let mut inside = ids_in(&mut tx, stage.project).await.unwrap();
        inside.sort_unstable();
        assert_eq!(inside, ids[..3]);
        let order = [("p.name", false)];
        let of = async |tx: &mut Tx, project, limit, offset| {
            let found = list(tx, project, &[], &order, limit, offset).await.unwrap();
            found.into_iter().map(|robot| robot.name).collect::<Vec<_>>()
        };
        assert_eq!(of(&mut tx, team, 9, 0).await, ["team+A", "team+a", "team+b"]);
        assert_eq!(of(&mut tx, team, 1, 1).await, ["team+a"]);
        assert_eq!(of(&mut tx, None, 9, 0).await, ["x"]);
        assert_eq!(count(&mut tx, team, &[]).await.unwrap(), 3);
        let test = Test::Equals(Operand::Text("team+a".to_owned()));
        let named = [Condition { column: "p.name", test }];
        assert_eq!(count(&mut tx, team, &named).await.unwrap(), 1);
        assert_eq!(count(&mut tx, None, &named).await.unwrap(), 0);
    })
    .await;
}
