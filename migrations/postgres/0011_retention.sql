-- Which artifacts stay: a policy for a project, and what its executions did in each repository.

-- Work of some kinds is done for one thing of many, as retention is for a policy; 0 is for the rest.
ALTER TABLE execution ADD COLUMN vendor_id BIGINT NOT NULL DEFAULT 0;
CREATE INDEX execution_by_vendor ON execution (job, vendor_id, id);

CREATE TABLE schedule_of_vendor (
    job TEXT COLLATE "C" NOT NULL,
    vendor_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    cron TEXT COLLATE "C" NOT NULL,
    parameters TEXT COLLATE "C" NOT NULL,
    next_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (job, vendor_id)
);
INSERT INTO schedule_of_vendor
    (job, vendor_id, kind, cron, parameters, next_at, created_at, updated_at)
    SELECT job, 0, kind, cron, parameters, next_at, created_at, updated_at FROM schedule;
DROP TABLE schedule;
ALTER TABLE schedule_of_vendor RENAME TO schedule;

-- rules are JSON, in Harbor's words; an empty cron is none.
CREATE TABLE retention_policy (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    algorithm TEXT COLLATE "C" NOT NULL,
    rules TEXT COLLATE "C" NOT NULL,
    cron TEXT COLLATE "C" NOT NULL,
    delete_when_nothing_matches BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX retention_policy_by_project ON retention_policy (project_id);

-- One for each repository of an execution. The repository may be gone.
CREATE TABLE retention_task (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id BIGINT NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
    repo_id BIGINT NOT NULL,
    repository TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    total BIGINT NOT NULL,
    retained BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX retention_task_by_execution ON retention_task (execution_id, id);

-- What is decided about each artifact, as it was looked at. WAIT is decided and not done.
CREATE TABLE retention_verdict (
    task_id BIGINT NOT NULL REFERENCES retention_task (id) ON DELETE CASCADE,
    manifest_id BIGINT NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    labels TEXT COLLATE "C" NOT NULL,
    pushed_at BIGINT NOT NULL,
    pulled_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (task_id, manifest_id)
);
CREATE INDEX retention_verdict_by_verdict ON retention_verdict (task_id, verdict, manifest_id);
