//! How much there is.

use axum::extract::State;
use axum::{Extension, Json};
use http::Method;
use roadstead_auth::Caller;
use roadstead_storage::tables::{project, usage};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let description =
        Description::new("getStatistic", "statistic", "Count what the caller can see");
    routes.add(&Method::GET, "/statistics", Access::Login, get, description).answers::<Statistic>();
}

/// Harbor's `Statistic`. The totals are for system administrators; storage is in bytes.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Statistic {
    private_project_count: i64,
    private_repo_count: i64,
    public_project_count: i64,
    public_repo_count: i64,
    total_project_count: i64,
    total_repo_count: i64,
    total_storage_consumption: i64,
}

async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Statistic>, Failure> {
    let mut conn = api.db.read().await?;
    let (public_project_count, public_repo_count, private_project_count, private_repo_count) =
        project::statistics(&mut conn, caller.viewer()).await?;
    let mut statistic = Statistic {
        private_project_count,
        private_repo_count,
        public_project_count,
        public_repo_count,
        ..Statistic::default()
    };
    if caller.is_sysadmin() && caller.is_person() {
        statistic.total_project_count = public_project_count + private_project_count;
        statistic.total_repo_count = public_repo_count + private_repo_count;
        statistic.total_storage_consumption = usage::total(&mut conn).await?;
    }
    Ok(Json(statistic))
}
