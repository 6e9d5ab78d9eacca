-- What was deleted and can be brought back for a while, and which digests tags named when.

-- For how long in a project, and whether it counts in the quota. Without days, or without a row,
-- the server's setting holds.
CREATE TABLE project_undelete (
    project_id INTEGER PRIMARY KEY REFERENCES project (id),
    days INTEGER,
    counted INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Repositories go by name here: the row of one that was deleted is gone.
CREATE TABLE deleted_repository (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    artifacts INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    deleted_by TEXT NOT NULL,
    kept_until INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_repository_by_time ON deleted_repository (project_id, deleted_at, id);
CREATE INDEX deleted_repository_by_end ON deleted_repository (kept_until);

-- The id is that of the manifest, which no other gets. belongs_to is the digest of its subject.
CREATE TABLE deleted_artifact (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BLOB NOT NULL,
    size INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    kind TEXT NOT NULL,
    artifact_type TEXT,
    total_size INTEGER NOT NULL,
    belongs_to TEXT,
    deleted_repository_id INTEGER REFERENCES deleted_repository (id) ON DELETE SET NULL,
    counted INTEGER NOT NULL,
    reason TEXT NOT NULL,
    deleted_at INTEGER NOT NULL,
    deleted_by TEXT NOT NULL,
    kept_until INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_artifact_by_time ON deleted_artifact (project_id, deleted_at, id);
CREATE INDEX deleted_artifact_by_digest ON deleted_artifact (repository, digest);
CREATE INDEX deleted_artifact_by_subject ON deleted_artifact (repository, belongs_to);
CREATE INDEX deleted_artifact_by_repository ON deleted_artifact (deleted_repository_id);
CREATE INDEX deleted_artifact_by_end ON deleted_artifact (kept_until);

-- The foreign key keeps collection from the bytes. It opens them to nobody: that takes a link.
CREATE TABLE deleted_artifact_blob (
    artifact_id INTEGER NOT NULL REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    blob_id INTEGER NOT NULL REFERENCES blob (id),
    PRIMARY KEY (artifact_id, blob_id)
) STRICT;
CREATE INDEX deleted_artifact_blob_by_blob ON deleted_artifact_blob (blob_id);

CREATE TABLE deleted_artifact_child (
    artifact_id INTEGER NOT NULL REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (artifact_id, digest)
) STRICT;
CREATE INDEX deleted_artifact_child_by_digest ON deleted_artifact_child (digest);

CREATE TABLE deleted_artifact_label (
    artifact_id INTEGER NOT NULL REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    label_id INTEGER NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    PRIMARY KEY (artifact_id, label_id)
) STRICT;
CREATE INDEX deleted_artifact_label_by_label ON deleted_artifact_label (label_id);

-- artifact_id is what it was deleted together with.
CREATE TABLE deleted_tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    repository TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    artifact_id INTEGER REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    deleted_at INTEGER NOT NULL,
    deleted_by TEXT NOT NULL,
    kept_until INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_tag_by_time ON deleted_tag (project_id, deleted_at, id);
CREATE INDEX deleted_tag_by_digest ON deleted_tag (repository, digest);
CREATE INDEX deleted_tag_by_artifact ON deleted_tag (artifact_id);
CREATE INDEX deleted_tag_by_end ON deleted_tag (kept_until);

-- A row for each time that a tag began to name something else. Without an old digest it was made,
-- without a new one it was deleted.
CREATE TABLE tag_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    old_digest TEXT,
    new_digest TEXT,
    moved_by TEXT NOT NULL,
    moved_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tag_history_by_repository ON tag_history (project_id, repository, id);
CREATE INDEX tag_history_by_tag ON tag_history (project_id, repository, tag, id);
CREATE INDEX tag_history_by_time ON tag_history (moved_at);
