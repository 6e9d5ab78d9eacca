-- The first schema. Its twin in the other folder has the same tables, columns and keys; a test
-- compares them. Times are microseconds since 1970 in UTC; names compare by bytes.

-- Who can be authenticated. Its id is never given to another; its epoch changes when every
-- credential that was issued so far must stop working.
CREATE TABLE principal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (kind, name)
) STRICT;

-- People with a password here. The hash is a PHC string.
CREATE TABLE user_account (
    principal_id INTEGER PRIMARY KEY REFERENCES principal (id),
    email TEXT UNIQUE,
    realname TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT '',
    password_hash TEXT NOT NULL,
    sysadmin INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Roles are sets of permissions; role 0 is what everybody may do in a public project.
CREATE TABLE role (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE role_permission (
    role_id INTEGER NOT NULL REFERENCES role (id),
    resource TEXT NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (role_id, resource, action)
) STRICT;

CREATE TABLE project (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner_id INTEGER NOT NULL REFERENCES principal (id),
    public INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE project_member (
    project_id INTEGER NOT NULL REFERENCES project (id),
    principal_id INTEGER NOT NULL REFERENCES principal (id),
    role_id INTEGER NOT NULL REFERENCES role (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, principal_id)
) STRICT;

CREATE TABLE repository (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX repository_by_project ON repository (project_id);

-- Content. Keys are opaque, written once, never reused; each is in exactly one of blob, upload
-- and tombstone. What keeps live content from being collected is the foreign keys without
-- cascade: repo_blob to blob, manifest_blob to repo_blob, manifest_child and tag to manifest.
CREATE TABLE blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    okey TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL DEFAULT 'ok',
    verified_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- "This blob is linked in this repository": the only permission to read it.
CREATE TABLE repo_blob (
    repo_id INTEGER NOT NULL REFERENCES repository (id),
    blob_id INTEGER NOT NULL REFERENCES blob (id),
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (repo_id, blob_id)
) STRICT;
CREATE INDEX repo_blob_by_blob ON repo_blob (blob_id);

-- annotations are kept (as JSON) only beside a subject, where lists of referrers need them.
CREATE TABLE manifest (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id INTEGER NOT NULL REFERENCES repository (id),
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    is_index INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    size INTEGER NOT NULL,
    depth INTEGER NOT NULL DEFAULT 0,
    subject_digest TEXT,
    artifact_type TEXT,
    annotations TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (repo_id, digest)
) STRICT;
CREATE INDEX manifest_by_subject ON manifest (repo_id, subject_digest);

CREATE TABLE manifest_blob (
    manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    repo_id INTEGER NOT NULL,
    blob_id INTEGER NOT NULL,
    PRIMARY KEY (manifest_id, blob_id),
    FOREIGN KEY (repo_id, blob_id) REFERENCES repo_blob (repo_id, blob_id)
) STRICT;
CREATE INDEX manifest_blob_by_blob ON manifest_blob (repo_id, blob_id);

CREATE TABLE manifest_child (
    parent_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    child_id INTEGER NOT NULL REFERENCES manifest (id),
    PRIMARY KEY (parent_id, child_id)
) STRICT;
CREATE INDEX manifest_child_by_child ON manifest_child (child_id);

-- What a sparse manifest names and its repository lacks; becomes a row of manifest_blob or
-- manifest_child when the content arrives.
CREATE TABLE manifest_missing (
    manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
    repo_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (manifest_id, digest)
) STRICT;
CREATE INDEX manifest_missing_by_digest ON manifest_missing (repo_id, digest);

CREATE TABLE tag (
    repo_id INTEGER NOT NULL REFERENCES repository (id),
    name TEXT NOT NULL,
    manifest_id INTEGER NOT NULL REFERENCES manifest (id),
    immutable INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (repo_id, name)
) STRICT;
CREATE INDEX tag_by_manifest ON tag (manifest_id);

-- An upload session. received counts the bytes that are durable; hash_state is the hash after
-- them, so that a session goes on without reading them again.
CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    repo_id INTEGER NOT NULL REFERENCES repository (id),
    principal_id INTEGER NOT NULL REFERENCES principal (id),
    okey TEXT NOT NULL UNIQUE,
    backend_upload_id TEXT,
    received INTEGER NOT NULL DEFAULT 0,
    algorithm TEXT NOT NULL,
    hash_state BLOB NOT NULL,
    reserved INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX upload_by_expiry ON upload (expires_at);
CREATE INDEX upload_by_principal ON upload (principal_id);

-- Keys whose bytes are to be deleted, not before a moment.
CREATE TABLE tombstone (
    okey TEXT PRIMARY KEY,
    backend_upload_id TEXT,
    not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    db_epoch TEXT NOT NULL
) STRICT;
CREATE INDEX tombstone_by_time ON tombstone (not_before);

-- What collection should look at: rows that lost a reference.
CREATE TABLE gc_queue (
    kind TEXT NOT NULL,
    target_id INTEGER NOT NULL,
    repo_id INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, target_id, repo_id)
) STRICT;

-- Storage accounting: each blob counts once in a project, each manifest once in a repository.
CREATE TABLE project_blob (
    project_id INTEGER NOT NULL REFERENCES project (id),
    blob_id INTEGER NOT NULL REFERENCES blob (id),
    PRIMARY KEY (project_id, blob_id)
) STRICT;
CREATE INDEX project_blob_by_blob ON project_blob (blob_id);

-- quota is in bytes; -1 is unlimited.
CREATE TABLE project_usage (
    project_id INTEGER PRIMARY KEY REFERENCES project (id),
    used INTEGER NOT NULL DEFAULT 0,
    quota INTEGER NOT NULL DEFAULT -1
) STRICT;

-- Keys that sign tokens, sealed with the installation's secret key.
CREATE TABLE signing_key (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Refresh tokens of clients that keep an identity token instead of a password; hashed.
CREATE TABLE refresh_token (
    hash BLOB PRIMARY KEY,
    principal_id INTEGER NOT NULL REFERENCES principal (id),
    epoch INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX refresh_token_by_principal ON refresh_token (principal_id);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);

-- One row per change, written in its transaction. Names are copied: they must outlive the rows.
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    principal_id INTEGER,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    project_id INTEGER,
    resource_type TEXT NOT NULL,
    resource TEXT NOT NULL,
    operation TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_by_time ON audit_log (at);

-- Single values: the database's epoch.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
