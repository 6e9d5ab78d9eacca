-- Webhooks: what a project wants to be told, and to whom.

-- event_types has commas between the types.
CREATE TABLE webhook_policy (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES project (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    event_types TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    creator TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT;

-- auth_header and secret are sealed. A target keeps its id while its policy is changed, so that
-- what waits for it arrives.
CREATE TABLE webhook_target (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    policy_id INTEGER NOT NULL REFERENCES webhook_policy (id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    payload_format TEXT NOT NULL,
    skip_cert_verify INTEGER NOT NULL,
    auth_header BLOB,
    secret BLOB
) STRICT;
CREATE INDEX webhook_target_by_policy ON webhook_target (policy_id, position);

-- What is to be told, written by the transaction of what happened, and how that went. It waits
-- while next_at is set; who works on it moves that into the future. uid is told to the receiver.
CREATE TABLE webhook_delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    policy_id INTEGER NOT NULL REFERENCES webhook_policy (id),
    target_id INTEGER REFERENCES webhook_target (id),
    kind TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER,
    log TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_delivery_by_policy ON webhook_delivery (policy_id, id);
CREATE INDEX webhook_delivery_by_target ON webhook_delivery (target_id, next_at);
CREATE INDEX webhook_delivery_by_time ON webhook_delivery (next_at);
