-- What was deleted and can be brought back for a while, and which digests tags named when.

-- For how long in a project, and whether it counts in the quota. Without days, or without a row,
-- the server's setting holds.
CREATE TABLE project_undelete (
    project_id BIGINT PRIMARY KEY REFERENCES project (id),
    days BIGINT,
    counted BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Repositories go by name here: the row of one that was deleted is gone.
CREATE TABLE deleted_repository (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    artifacts BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT COLLATE "C" NOT NULL,
    kept_until BIGINT NOT NULL
);
CREATE INDEX deleted_repository_by_time ON deleted_repository (project_id, deleted_at, id);
CREATE INDEX deleted_repository_by_end ON deleted_repository (kept_until);

-- The id is that of the manifest, which no other gets. belongs_to is the digest of its subject.
CREATE TABLE deleted_artifact (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    repository TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    bytes BYTEA NOT NULL,
    size BIGINT NOT NULL,
    depth BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    artifact_type TEXT COLLATE "C",
    total_size BIGINT NOT NULL,
    belongs_to TEXT COLLATE "C",
    deleted_repository_id BIGINT REFERENCES deleted_repository (id) ON DELETE SET NULL,
    counted BOOLEAN NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT COLLATE "C" NOT NULL,
    kept_until BIGINT NOT NULL
);
CREATE INDEX deleted_artifact_by_time ON deleted_artifact (project_id, deleted_at, id);
CREATE INDEX deleted_artifact_by_digest ON deleted_artifact (repository, digest);
CREATE INDEX deleted_artifact_by_subject ON deleted_artifact (repository, belongs_to);
CREATE INDEX deleted_artifact_by_repository ON deleted_artifact (deleted_repository_id);
CREATE INDEX deleted_artifact_by_end ON deleted_artifact (kept_until);

-- The foreign key keeps collection from the bytes. It opens them to nobody: that takes a link.
CREATE TABLE deleted_artifact_blob (
    artifact_id BIGINT NOT NULL REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    PRIMARY KEY (artifact_id, blob_id)
);
CREATE INDEX deleted_artifact_blob_by_blob ON deleted_artifact_blob (blob_id);

CREATE TABLE deleted_artifact_child (
    artifact_id BIGINT NOT NULL REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (artifact_id, digest)
);
CREATE INDEX deleted_artifact_child_by_digest ON deleted_artifact_child (digest);

CREATE TABLE deleted_artifact_label (
    artifact_id BIGINT NOT NULL REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    label_id BIGINT NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    PRIMARY KEY (artifact_id, label_id)
);
CREATE INDEX deleted_artifact_label_by_label ON deleted_artifact_label (label_id);

-- artifact_id is what it was deleted together with.
CREATE TABLE deleted_tag (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    repository TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    artifact_id BIGINT REFERENCES deleted_artifact (id) ON DELETE CASCADE,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT COLLATE "C" NOT NULL,
    kept_until BIGINT NOT NULL
);
CREATE INDEX deleted_tag_by_time ON deleted_tag (project_id, deleted_at, id);
CREATE INDEX deleted_tag_by_digest ON deleted_tag (repository, digest);
CREATE INDEX deleted_tag_by_artifact ON deleted_tag (artifact_id);
CREATE INDEX deleted_tag_by_end ON deleted_tag (kept_until);

-- A row for each time that a tag began to name something else. Without an old digest it was made,
-- without a new one it was deleted.
CREATE TABLE tag_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    repository TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    old_digest TEXT COLLATE "C",
    new_digest TEXT COLLATE "C",
    moved_by TEXT COLLATE "C" NOT NULL,
    moved_at BIGINT NOT NULL
);
CREATE INDEX tag_history_by_repository ON tag_history (project_id, repository, id);
CREATE INDEX tag_history_by_tag ON tag_history (project_id, repository, tag, id);
CREATE INDEX tag_history_by_time ON tag_history (moved_at);
