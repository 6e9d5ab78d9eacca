-- The first schema. Its twin in the other folder has the same tables, columns and keys; a test
-- compares them. Times are microseconds since 1970 in UTC; names compare by bytes.

-- Who can be authenticated. Its id is never given to another; its epoch changes when every
-- credential that was issued so far must stop working.
CREATE TABLE principal (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    disabled BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (kind, name)
);

-- People with a password here. The hash is a PHC string.
CREATE TABLE user_account (
    principal_id BIGINT PRIMARY KEY REFERENCES principal (id),
    email TEXT COLLATE "C" UNIQUE,
    realname TEXT COLLATE "C" NOT NULL DEFAULT '',
    comment TEXT COLLATE "C" NOT NULL DEFAULT '',
    password_hash TEXT COLLATE "C" NOT NULL,
    sysadmin BOOLEAN NOT NULL DEFAULT FALSE
);

-- Roles are sets of permissions; role 0 is what everybody may do in a public project.
CREATE TABLE role (
    id BIGINT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE role_permission (
    role_id BIGINT NOT NULL REFERENCES role (id),
    resource TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (role_id, resource, action)
);

CREATE TABLE project (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    owner_id BIGINT NOT NULL REFERENCES principal (id),
    public BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE project_member (
    project_id BIGINT NOT NULL REFERENCES project (id),
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    role_id BIGINT NOT NULL REFERENCES role (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, principal_id)
);

CREATE TABLE repository (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX repository_by_project ON repository (project_id);

-- Content. Keys are opaque, written once, never reused; each is in exactly one of blob, upload
-- and tombstone. What keeps live content from being collected is the foreign keys without
-- cascade: repo_blob to blob, manifest_blob to repo_blob, manifest_child and tag to manifest.
CREATE TABLE blob (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    okey TEXT COLLATE "C" NOT NULL UNIQUE,
    state TEXT COLLATE "C" NOT NULL DEFAULT 'ok',
    verified_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- "This blob is linked in this repository": the only permission to read it.
CREATE TABLE repo_blob (
    repo_id BIGINT NOT NULL REFERENCES repository (id),
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (repo_id, blob_id)
);
CREATE INDEX repo_blob_by_blob ON repo_blob (blob_id);

-- annotations are kept (as JSON) only beside a subject, where lists of referrers need them.
CREATE TABLE manifest (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo_id BIGINT NOT NULL REFERENCES repository (id),
    digest TEXT COLLATE "C" NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    is_index BOOLEAN NOT NULL,
    bytes BYTEA NOT NULL,
    size BIGINT NOT NULL,
    depth BIGINT NOT NULL DEFAULT 0,
    subject_digest TEXT COLLATE "C",
    artifact_type TEXT COLLATE "C",
    annotations TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    UNIQUE (repo_id, digest)
);
CREATE INDEX manifest_by_subject ON manifest (repo_id, subject_digest);

CREATE TABLE manifest_blob (
    manifest_id BIGINT NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    repo_id BIGINT NOT NULL,
    blob_id BIGINT NOT NULL,
    PRIMARY KEY (manifest_id, blob_id),
    FOREIGN KEY (repo_id, blob_id) REFERENCES repo_blob (repo_id, blob_id)
);
CREATE INDEX manifest_blob_by_blob ON manifest_blob (repo_id, blob_id);

CREATE TABLE manifest_child (
    parent_id BIGINT NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    child_id BIGINT NOT NULL REFERENCES manifest (id),
    PRIMARY KEY (parent_id, child_id)
);
CREATE INDEX manifest_child_by_child ON manifest_child (child_id);

-- What a sparse manifest names and its repository lacks; becomes a row of manifest_blob or
-- manifest_child when the content arrives.
CREATE TABLE manifest_missing (
    manifest_id BIGINT NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    repo_id BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (manifest_id, digest)
);
CREATE INDEX manifest_missing_by_digest ON manifest_missing (repo_id, digest);

CREATE TABLE tag (
    repo_id BIGINT NOT NULL REFERENCES repository (id),
    name TEXT COLLATE "C" NOT NULL,
    manifest_id BIGINT NOT NULL REFERENCES manifest (id),
    immutable BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (repo_id, name)
);
CREATE INDEX tag_by_manifest ON tag (manifest_id);

-- An upload session. received counts the bytes that are durable; hash_state is the hash after
-- them, so that a session goes on without reading them again.
CREATE TABLE upload (
    id TEXT COLLATE "C" PRIMARY KEY,
    repo_id BIGINT NOT NULL REFERENCES repository (id),
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    okey TEXT COLLATE "C" NOT NULL UNIQUE,
    backend_upload_id TEXT COLLATE "C",
    received BIGINT NOT NULL DEFAULT 0,
    algorithm TEXT COLLATE "C" NOT NULL,
    hash_state BYTEA NOT NULL,
    reserved BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX upload_by_expiry ON upload (expires_at);
CREATE INDEX upload_by_principal ON upload (principal_id);

-- Keys whose bytes are to be deleted, not before a moment.
CREATE TABLE tombstone (
    okey TEXT COLLATE "C" PRIMARY KEY,
    backend_upload_id TEXT COLLATE "C",
    not_before BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    db_epoch TEXT COLLATE "C" NOT NULL
);
CREATE INDEX tombstone_by_time ON tombstone (not_before);

-- What collection should look at: rows that lost a reference.
CREATE TABLE gc_queue (
    kind TEXT COLLATE "C" NOT NULL,
    target_id BIGINT NOT NULL,
    repo_id BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, target_id, repo_id)
);

-- Storage accounting: each blob counts once in a project, each manifest once in a repository.
CREATE TABLE project_blob (
    project_id BIGINT NOT NULL REFERENCES project (id),
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    PRIMARY KEY (project_id, blob_id)
);
CREATE INDEX project_blob_by_blob ON project_blob (blob_id);

-- quota is in bytes; -1 is unlimited.
CREATE TABLE project_usage (
    project_id BIGINT PRIMARY KEY REFERENCES project (id),
    used BIGINT NOT NULL DEFAULT 0,
    quota BIGINT NOT NULL DEFAULT -1
);

-- Keys that sign tokens, sealed with the installation's secret key.
CREATE TABLE signing_key (
    id TEXT COLLATE "C" PRIMARY KEY,
    purpose TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Refresh tokens of clients that keep an identity token instead of a password; hashed.
CREATE TABLE refresh_token (
    hash BYTEA PRIMARY KEY,
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    epoch BIGINT NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX refresh_token_by_principal ON refresh_token (principal_id);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);

-- One row per change, written in its transaction. Names are copied: they must outlive the rows.
CREATE TABLE audit_log (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    principal_id BIGINT,
    actor TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    project_id BIGINT,
    resource_type TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (at);

-- Single values: the database's epoch.
CREATE TABLE setting (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
