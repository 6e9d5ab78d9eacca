-- Which artifacts stay: a policy for a project, and what its executions did in each repository.

-- Work of some kinds is done for one thing of many, as retention is for a policy; 0 is for the rest.
ALTER TABLE execution ADD COLUMN vendor_id INTEGER NOT NULL DEFAULT 0;
CREATE INDEX execution_by_vendor ON execution (job, vendor_id, id);

CREATE TABLE schedule_of_vendor (
    job TEXT NOT NULL,
    vendor_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    cron TEXT NOT NULL,
    parameters TEXT NOT NULL,
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (job, vendor_id)
) STRICT;
INSERT INTO schedule_of_vendor
    (job, vendor_id, kind, cron, parameters, next_at, created_at, updated_at)
    SELECT job, 0, kind, cron, parameters, next_at, created_at, updated_at FROM schedule;
DROP TABLE schedule;
ALTER TABLE schedule_of_vendor RENAME TO schedule;

-- rules are JSON, in Harbor's words; an empty cron is none.
CREATE TABLE retention_policy (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    algorithm TEXT NOT NULL,
    rules TEXT NOT NULL,
    cron TEXT NOT NULL,
    delete_when_nothing_matches INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX retention_policy_by_project ON retention_policy (project_id);

-- One for each repository of an execution. The repository may be gone.
CREATE TABLE retention_task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id INTEGER NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
    repo_id INTEGER NOT NULL,
    repository TEXT NOT NULL,
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    retained INTEGER NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX retention_task_by_execution ON retention_task (execution_id, id);

-- What is decided about each artifact, as it was looked at. WAIT is decided and not done.
CREATE TABLE retention_verdict (
    task_id INTEGER NOT NULL REFERENCES retention_task (id) ON DELETE CASCADE,
    manifest_id INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    digest TEXT NOT NULL,
    tags TEXT NOT NULL,
    kind TEXT NOT NULL,
    labels TEXT NOT NULL,
    pushed_at INTEGER NOT NULL,
    pulled_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (task_id, manifest_id)
) STRICT;
CREATE INDEX retention_verdict_by_verdict ON retention_verdict (task_id, verdict, manifest_id);
