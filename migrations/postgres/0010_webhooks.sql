-- Webhooks: what a project wants to be told, and to whom.

-- event_types has commas between the types.
CREATE TABLE webhook_policy (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL DEFAULT '',
    event_types TEXT COLLATE "C" NOT NULL,
    enabled BOOLEAN NOT NULL,
    creator TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- auth_header and secret are sealed. A target keeps its id while its policy is changed, so that
-- what waits for it arrives.
CREATE TABLE webhook_target (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    policy_id BIGINT NOT NULL REFERENCES webhook_policy (id),
    position BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    payload_format TEXT COLLATE "C" NOT NULL,
    skip_cert_verify BOOLEAN NOT NULL,
    auth_header BYTEA,
    secret BYTEA
);
CREATE INDEX webhook_target_by_policy ON webhook_target (policy_id, position);

-- What is to be told, written by the transaction of what happened, and how that went. It waits
-- while next_at is set; who works on it moves that into the future. uid is told to the receiver.
CREATE TABLE webhook_delivery (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid TEXT COLLATE "C" NOT NULL,
    policy_id BIGINT NOT NULL REFERENCES webhook_policy (id),
    target_id BIGINT REFERENCES webhook_target (id),
    kind TEXT COLLATE "C" NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT,
    log TEXT COLLATE "C" NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_delivery_by_policy ON webhook_delivery (policy_id, id);
CREATE INDEX webhook_delivery_by_target ON webhook_delivery (target_id, next_at);
CREATE INDEX webhook_delivery_by_time ON webhook_delivery (next_at);
