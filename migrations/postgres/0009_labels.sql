-- Labels, what carries them, and who does background work.

-- Of one project, or of all of them: then without one.
CREATE TABLE label (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT REFERENCES project (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    color TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX label_of_project ON label (project_id, name);
CREATE UNIQUE INDEX label_of_all ON label (name) WHERE project_id IS NULL;

CREATE TABLE artifact_label (
    manifest_id BIGINT NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    label_id BIGINT NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    PRIMARY KEY (manifest_id, label_id)
);
CREATE INDEX artifact_label_by_label ON artifact_label (label_id, manifest_id);

-- Kinds of work of which nobody begins an execution.
CREATE TABLE paused_job (
    job TEXT COLLATE "C" PRIMARY KEY,
    paused_at BIGINT NOT NULL
);

-- The servers that do background work; one that is silent is gone.
CREATE TABLE worker_pool (
    id TEXT COLLATE "C" PRIMARY KEY,
    host TEXT COLLATE "C" NOT NULL,
    pid BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL
);

-- Which of them began it, and when.
ALTER TABLE execution ADD COLUMN pool TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE execution ADD COLUMN begun_at BIGINT;
