//! Rows among themselves.

use roadstead_model::ProjectId;
use roadstead_storage::tables::{blob, link, recount};

use super::report::{Fault, Kind, Report};
use super::{Check, repair};
use crate::error::Result;

impl Check {
    pub(super) async fn check_rows(&self, report: &mut Report) -> Result<()> {
        let mut conn = self.db.snapshot().await?;
        for fault in conn.integrity_faults().await? {
            report.fault(Kind::Database, "files", fault);
        }
        for key in blob::keys_owned_twice(&mut conn).await? {
            report.fault(Kind::SharedKey, key, "more than one row has it");
        }
        for tag in recount::strayed_tags(&mut conn).await? {
            report.fault(Kind::StrayedTag, tag, "names a manifest of another repository");
        }
        let mut wrong: Vec<(ProjectId, String)> = Vec::new();
        for (project, counted, real) in link::miscounted(&mut conn).await? {
            wrong.push((project, format!("{counted} bytes counted, {real} held")));
        }
        for project in recount::miscounted_blobs(&mut conn).await? {
            if !wrong.iter().any(|(known, _)| *known == project) {
                wrong.push((project, "its blobs are not those that it counts".to_owned()));
            }
        }
        let bound = recount::bound(&mut conn).await?;
        let mislisted = recount::mislisted(&mut conn).await?;
        drop(conn);
        for (project, detail) in wrong {
            let mut fault = Fault::new(Kind::Miscounted, format!("project {project}"), detail);
            if self.options.repair {
                fault.repair = Some(self.recount(project).await?);
            }
            report.add(fault);
        }
        if bound != recount::Bound::default() {
            let (missing, surplus) = (bound.missing.len(), bound.surplus.len());
            let detail = format!("{missing} rows are missing and {surplus} are too much");
            let mut fault = Fault::new(Kind::Misbound, "patterns of bindings", detail);
            if self.options.repair {
                fault.repair = Some(self.rebind().await?);
            }
            report.add(fault);
        }
        if mislisted != (Vec::new(), Vec::new()) {
            let (manifests, repositories) = (mislisted.0.len(), mislisted.1.len());
            let detail = format!("{manifests} manifests and {repositories} repositories");
            let mut fault = Fault::new(Kind::Mislisted, "lists", detail);
            if self.options.repair {
                fault.repair = Some(self.relist().await?);
            }
            report.add(fault);
        }
        Ok(())
    }

    async fn relist(&self) -> Result<&'static str> {
        let mut tx = self.db.begin().await?;
        let (manifests, repositories) = recount::mislisted(&mut tx).await?;
        recount::relist(&mut tx, &manifests, &repositories).await?;
        repair::record(&mut tx, "lists", "what they go by set again", self.clock.now()).await?;
        tx.commit().await?;
        Ok("set again")
    }

    async fn recount(&self, project: ProjectId) -> Result<&'static str> {
        let mut tx = self.db.begin().await?;
        recount::project(&mut tx, project).await?;
        let what = format!("project {project}");
        repair::record(&mut tx, &what, "usage counted again", self.clock.now()).await?;
        tx.commit().await?;
        Ok("counted again")
    }

    async fn rebind(&self) -> Result<&'static str> {
        let mut tx = self.db.begin().await?;
        recount::rebind(&mut tx).await?;
        repair::record(&mut tx, "bindings", "patterns matched again", self.clock.now()).await?;
        tx.commit().await?;
        Ok("matched again")
    }
}
