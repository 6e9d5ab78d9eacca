//! Lists of robots: those of the system, or those of one project.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::Method;
use roadstead_auth::Caller;
use roadstead_model::{Action, ProjectId};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot;
use roadstead_storage::{Conn, Operand, Test};

use super::{PROJECT, RobotAnswer, SYSTEM};
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, refuse, require_of_robots};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::robot_permissions::Writer;
use crate::{Api, BASE};

const COLUMNS: &[Column] = &[
    Column::handled("level", Kind::Text),
    Column::handled("project_id", Kind::Integer),
    Column::new("id", "p.id", Kind::Integer),
    Column::new("name", "p.name", Kind::Text),
    Column::new("description", "r.description", Kind::Text),
    Column::new("duration", "r.duration", Kind::Integer),
    Column::new("disable", "p.disabled", Kind::Boolean).also(&["disabled", "Disabled"]),
    Column::new("expires_at", "COALESCE(r.expires_at / 1000000, -1)", Kind::Integer),
    Column::new("creation_time", "p.created_at", Kind::Time),
    Column::new("update_time", "p.updated_at", Kind::Time),
];

pub(super) fn register(routes: &mut Routes) {
    let summary = "List the robot accounts of the system or, with Level and ProjectID in q, of a \
                   project";
    let description = Description::new("ListRobot", "robot", summary);
    routes
        .add(&Method::GET, "/robots", Access::Login, list, description)
        .listed()
        .answers_list::<RobotAnswer>()
        .fails(&[404]);
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let wanted = filters(&query, COLUMNS)?;
    let mut order = sorting(&query, COLUMNS)?;
    order.extend([("p.name", false), ("p.id", false)]);
    let configuration = api.auth.configuration().await?;
    let mut conn = api.db.read().await?;
    let project = home(&mut conn, &caller, &wanted.handled).await?;
    let allowed = match project {
        Home::Nowhere => Err(caller.refusal()),
        Home::System => require_of_robots(&mut conn, &caller, None, Action::List).await?,
        Home::Project(ref project) => {
            require_of_robots(&mut conn, &caller, Some(project), Action::List).await?
        }
    };
    let path = format!("{BASE}/robots");
    if let Err(refusal) = allowed {
        // Writing that down takes a connection.
        drop(conn);
        return Err(refuse(&api, &caller, &Method::GET, &path, refusal).await);
    }
    let project = match project {
        Home::Project(project) => Some(project.id),
        _ => None,
    };
    let (limit, offset) = (query.limit(), query.offset());
    let total = robot::count(&mut conn, project, &wanted.conditions).await?;
    let robots = robot::list(&mut conn, project, &wanted.conditions, &order, limit, offset).await?;
    let mut writer = Writer::default();
    let mut answers = Vec::with_capacity(robots.len());
    for robot in robots {
        let entries = api.auth.robot_permissions(&mut conn, robot.id).await?;
        let permissions = writer.write(&mut conn, entries).await?;
        answers.push(RobotAnswer::new(robot, configuration.robot_prefix(), permissions));
    }
    Ok(query.answer(&path, total, &answers))
}

/// Whose robots are listed.
enum Home {
    System,
    Project(Project),
    /// A project that does not exist, which only administrators are told.
    Nowhere,
}

/// What `Level` and `ProjectID` say; either alone is enough for the system.
async fn home(
    conn: &mut Conn,
    caller: &Caller,
    handled: &[(&'static str, Test)],
) -> Result<Home, Failure> {
    let (mut level, mut id) = (None, None);
    for (key, test) in handled {
        match (*key, test) {
            ("level", Test::Equals(Operand::Text(text))) => level = Some(text.as_str()),
            ("project_id", Test::Equals(Operand::Integer(number))) => id = Some(*number),
            _ => return Err(Failure::bad_request("Level and ProjectID take one value each")),
        }
    }
    let id = match (level, id) {
        (None | Some(SYSTEM), None | Some(0)) => return Ok(Home::System),
        (None | Some(PROJECT), Some(id)) => ProjectId(id),
        (Some(PROJECT), None) => {
            return Err(Failure::bad_request("robots of projects are listed with a ProjectID"));
        }
        (Some(SYSTEM), Some(_)) => {
            return Err(Failure::bad_request("robots of the system have no ProjectID"));
        }
        _ => return Err(Failure::bad_request("the level of a robot is system or project")),
    };
    match project::find_by_id(conn, id).await? {
        Some(project) => Ok(Home::Project(project)),
        None if caller.is_sysadmin() && caller.is_person() => {
            Err(Failure::not_found(format!("project {id} not found")))
        }
        None => Ok(Home::Nowhere),
    }
}
