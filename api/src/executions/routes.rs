//! The routes of a kind of work, which are the same for each.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::Action;

use super::{ExecHistory, ScheduleReq, Work};
use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;

impl Work {
    /// Registers the routes of this work.
    pub(crate) fn register(&'static self, routes: &mut Routes) {
        self.register_executions(routes);
        self.register_schedule(routes);
    }

    fn access(&self, action: Action) -> Access {
        Access::System(permission(self.resource, action))
    }

    fn about(&self, [id, summary]: [&'static str; 2]) -> Description {
        Description::new(id, self.described.tag, summary)
    }

    fn register_executions(&'static self, routes: &mut Routes) {
        let one = format!("{}/{{{}}}", self.path, self.id);
        let history = async |State(api): State<Api>, RawQuery(query): RawQuery| {
            self.history(&api, &query.unwrap_or_default()).await
        };
        let (access, description) = (self.access(Action::List), self.about(self.described.history));
        routes
            .add(&Method::GET, self.path, access, history, description)
            .listed()
            .answers_list::<ExecHistory>();
        let get = async |State(api): State<Api>, Path(id): Path<String>| self.get(&api, &id).await;
        let (access, description) = (self.access(Action::Read), self.about(self.described.one));
        routes.add(&Method::GET, &one, access, get, description).answers::<ExecHistory>();
        let stop =
            async |State(api): State<Api>,
                   Extension(caller): Extension<Caller>,
                   Path(id): Path<String>| { self.stop(&api, &caller, &id).await };
        let (access, description) = (self.access(Action::Stop), self.about(self.described.stop));
        routes.add(&Method::PUT, &one, access, stop, description);
        let log = async |State(api): State<Api>, Path(id): Path<String>| self.log(&api, &id).await;
        let (access, description) = (self.access(Action::Read), self.about(self.described.log));
        routes.add(&Method::GET, &format!("{one}/log"), access, log, description).answers_text();
    }

    fn register_schedule(&'static self, routes: &mut Routes) {
        let path = format!("{}/schedule", self.path);
        let get = async |State(api): State<Api>| self.schedule(&api).await;
        let (access, description) =
            (self.access(Action::Read), self.about(self.described.schedule));
        routes.add(&Method::GET, &path, access, get, description).answers::<ExecHistory>();
        let create = async |State(api): State<Api>,
                            Extension(caller): Extension<Caller>,
                            Body(request): Body<ScheduleReq>| {
            self.create(&api, &caller, request).await
        };
        let (access, description) =
            (self.access(Action::Create), self.about(self.described.create));
        // What may not run twice at once.
        let busy: &[u16] = if self.alone { &[409] } else { &[] };
        routes
            .add(&Method::POST, &path, access, create, description)
            .accepts::<ScheduleReq>()
            .fails(busy)
            .status(201);
        let update = async |State(api): State<Api>,
                            Extension(caller): Extension<Caller>,
                            Body(request): Body<ScheduleReq>| {
            self.accept(&api, &caller, request).await?;
            Ok::<_, Failure>(StatusCode::OK)
        };
        let (access, description) =
            (self.access(Action::Update), self.about(self.described.update));
        routes
            .add(&Method::PUT, &path, access, update, description)
            .accepts::<ScheduleReq>()
            .fails(busy);
    }
}
