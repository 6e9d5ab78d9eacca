-- Who may do what: roles that can be made, bindings of roles to principals, groups, robots,
-- personal access tokens, sessions, rules of immutable tags, and what the audit log lacked.

-- Deleted principals keep their row (the audit log and uploads name it) and lose their name.
ALTER TABLE principal ADD COLUMN deleted_at INTEGER;

-- source is where the password is kept: db, ldap or oidc. directory_admin comes from a group of
-- the directory and is replaced at each login; directory_name is the name that the directory has.
ALTER TABLE user_account ADD COLUMN source TEXT NOT NULL DEFAULT 'db';
ALTER TABLE user_account ADD COLUMN directory_admin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_account ADD COLUMN directory_name TEXT NOT NULL DEFAULT '';

-- Who a person is at their OpenID provider. The secret of their command line and the provider's
-- refresh token are sealed. checked_at is when the provider knew the person last, 0 when it no
-- longer does; before ask_again_at nobody asks, because somebody is asking or was not answered.
CREATE TABLE oidc_account (
    principal_id INTEGER PRIMARY KEY REFERENCES principal (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    secret BLOB NOT NULL,
    refresh_token BLOB,
    checked_at INTEGER NOT NULL,
    ask_again_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;

-- Who has logged in at the provider and is choosing a name, by the hash of their cookie. What the
-- provider said is sealed.
CREATE TABLE oidc_newcomer (
    hash BLOB PRIMARY KEY,
    person BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Groups are principals, so that roles are bound to them as to people. type is Harbor's: 1 LDAP,
-- 2 HTTP, 3 OIDC; groups of LDAP are known by their DN, which is then the principal's name.
CREATE TABLE user_group (
    principal_id INTEGER PRIMARY KEY REFERENCES principal (id),
    group_name TEXT NOT NULL,
    group_type INTEGER NOT NULL,
    ldap_group_dn TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE group_member (
    user_id INTEGER NOT NULL REFERENCES principal (id),
    group_id INTEGER NOT NULL REFERENCES principal (id),
    PRIMARY KEY (user_id, group_id)
) STRICT;
CREATE INDEX group_member_by_group ON group_member (group_id);

ALTER TABLE role RENAME TO old_role;
ALTER TABLE role_permission RENAME TO old_role_permission;

-- kind: builtin (Harbor's), custom (made by an administrator), private (of one robot or token).
CREATE TABLE role (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT 'builtin',
    created_at INTEGER NOT NULL DEFAULT 0,
    updated_at INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO role (id, name) SELECT id, name FROM old_role;

CREATE TABLE role_permission (
    role_id INTEGER NOT NULL REFERENCES role (id),
    resource TEXT NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (role_id, resource, action)
) STRICT;
INSERT INTO role_permission (role_id, resource, action)
    SELECT role_id, resource, action FROM old_role_permission;

-- "This principal has this role": in one project, in all of them, or in the system. With a
-- pattern it holds only for the repositories of the project that match.
CREATE TABLE role_binding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    principal_id INTEGER NOT NULL REFERENCES principal (id),
    role_id INTEGER NOT NULL REFERENCES role (id),
    scope TEXT NOT NULL,
    project_id INTEGER REFERENCES project (id),
    pattern TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX role_binding_once ON role_binding (principal_id, project_id, pattern)
    WHERE scope = 'project';
CREATE INDEX role_binding_by_project ON role_binding (project_id);
CREATE INDEX role_binding_by_role ON role_binding (role_id);
INSERT INTO role_binding
    (principal_id, role_id, scope, project_id, pattern, created_at, updated_at)
    SELECT principal_id, role_id, 'project', project_id, '', created_at, created_at
    FROM project_member;

-- Which repositories the pattern of a binding matches, for lists; kept with both.
CREATE TABLE bound_repository (
    binding_id INTEGER NOT NULL REFERENCES role_binding (id) ON DELETE CASCADE,
    repo_id INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    PRIMARY KEY (binding_id, repo_id)
) STRICT;
CREATE INDEX bound_repository_by_repository ON bound_repository (repo_id);

DROP TABLE project_member;
DROP TABLE old_role_permission;
DROP TABLE old_role;

-- duration is in days, -1 is for ever. creator_type is local or robot.
CREATE TABLE robot (
    principal_id INTEGER PRIMARY KEY REFERENCES principal (id),
    level TEXT NOT NULL,
    project_id INTEGER REFERENCES project (id),
    description TEXT NOT NULL DEFAULT '',
    duration INTEGER NOT NULL,
    expires_at INTEGER,
    creator_type TEXT NOT NULL,
    creator_id INTEGER NOT NULL
) STRICT;
CREATE INDEX robot_by_project ON robot (project_id);

-- Personal access tokens: principals of their own, whose bindings narrow those of the owner.
CREATE TABLE personal_token (
    principal_id INTEGER PRIMARY KEY REFERENCES principal (id),
    owner_id INTEGER NOT NULL REFERENCES principal (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    expires_at INTEGER,
    UNIQUE (owner_id, name)
) STRICT;

-- Secrets of robots and personal tokens; a robot may have a second one while it is rotated. A
-- verifier is sha256:<base64> of a generated secret, or the PHC string of a chosen one.
CREATE TABLE secret (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    principal_id INTEGER NOT NULL REFERENCES principal (id),
    verifier TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX secret_by_principal ON secret (principal_id);

-- What a refresh token was got with ends it: a secret, or a personal token.
ALTER TABLE refresh_token ADD COLUMN secret_id INTEGER;
ALTER TABLE refresh_token ADD COLUMN token_id INTEGER;

-- Logins of browsers, by the hash of their cookie. id_token is the provider's, sealed.
CREATE TABLE session (
    hash BLOB PRIMARY KEY,
    principal_id INTEGER NOT NULL REFERENCES principal (id),
    epoch INTEGER NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL DEFAULT '',
    id_token BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_by_principal ON session (principal_id);
CREATE INDEX session_by_expiry ON session (expires_at);

-- Tags that match a rule are immutable; tag.immutable is kept with the rules.
CREATE TABLE immutable_rule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    priority INTEGER NOT NULL DEFAULT 0,
    disabled INTEGER NOT NULL DEFAULT 0,
    repository_decoration TEXT NOT NULL,
    repository_pattern TEXT NOT NULL,
    tag_decoration TEXT NOT NULL,
    tag_pattern TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project_id, repository_decoration, repository_pattern, tag_decoration, tag_pattern)
) STRICT;

-- Harbor's metadata of projects, but for public, which is a column of project.
CREATE TABLE project_metadata (
    project_id INTEGER NOT NULL REFERENCES project (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project_id, name)
) STRICT;

-- items is JSON.
CREATE TABLE cve_allowlist (
    project_id INTEGER PRIMARY KEY REFERENCES project (id),
    expires_at INTEGER,
    items TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

ALTER TABLE repository ADD COLUMN description TEXT NOT NULL DEFAULT '';

ALTER TABLE project_usage ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;

-- pending rows are still to be forwarded.
ALTER TABLE audit_log ADD COLUMN success INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit_log ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
CREATE INDEX audit_log_by_project ON audit_log (project_id, at);
CREATE INDEX audit_log_pending ON audit_log (id) WHERE pending;

-- Work that repeats, and how each run went. cron has six fields, as Harbor's.
CREATE TABLE schedule (
    job TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    cron TEXT NOT NULL,
    parameters TEXT NOT NULL,
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE execution (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    parameters TEXT NOT NULL,
    log TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX execution_by_job ON execution (job, id);
