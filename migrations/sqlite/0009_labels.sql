-- Labels, what carries them, and who does background work.

-- Of one project, or of all of them: then without one.
CREATE TABLE label (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER REFERENCES project (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    color TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX label_of_project ON label (project_id, name);
CREATE UNIQUE INDEX label_of_all ON label (name) WHERE project_id IS NULL;

CREATE TABLE artifact_label (
    manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    label_id INTEGER NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    PRIMARY KEY (manifest_id, label_id)
) STRICT;
CREATE INDEX artifact_label_by_label ON artifact_label (label_id, manifest_id);

-- Kinds of work of which nobody begins an execution.
CREATE TABLE paused_job (
    job TEXT PRIMARY KEY,
    paused_at INTEGER NOT NULL
) STRICT;

-- The servers that do background work; one that is silent is gone.
CREATE TABLE worker_pool (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL
) STRICT;

-- Which of them began it, and when.
ALTER TABLE execution ADD COLUMN pool TEXT NOT NULL DEFAULT '';
ALTER TABLE execution ADD COLUMN begun_at INTEGER;
