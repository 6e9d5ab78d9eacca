-- What artifacts are, in the words of Harbor's API. kind is '' until a manifest that was there before
-- was looked at; annotations are kept for every manifest from now on, unless they are very long.
ALTER TABLE manifest ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE manifest ADD COLUMN config_media_type TEXT COLLATE "C";
-- The bytes of the manifest and of all that it names.
ALTER TABLE manifest ADD COLUMN total_size BIGINT NOT NULL DEFAULT 0;
-- The digest of what this belongs to, by its subject or by the tag that cosign gives signatures.
ALTER TABLE manifest ADD COLUMN accessory_of TEXT COLLATE "C";
ALTER TABLE manifest ADD COLUMN accessory_type TEXT COLLATE "C";
CREATE INDEX manifest_by_push ON manifest (repo_id, created_at, id);
CREATE INDEX manifest_by_accessory ON manifest (repo_id, accessory_of);
CREATE INDEX manifest_by_kind ON manifest (kind, depth, id);

-- What was read in the config and in the descriptors of children, as JSON. It can be read again.
CREATE TABLE manifest_attributes (
    manifest_id BIGINT PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,
    attributes TEXT COLLATE "C" NOT NULL,
    children TEXT COLLATE "C" NOT NULL
);

-- Pulls are counted in rows of their own, so that counting never locks what is pulled.
CREATE TABLE manifest_pull (
    manifest_id BIGINT PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,
    pulled_at BIGINT NOT NULL
);

CREATE TABLE tag_pull (
    repo_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    pulled_at BIGINT NOT NULL,
    PRIMARY KEY (repo_id, name),
    FOREIGN KEY (repo_id, name) REFERENCES tag (repo_id, name) ON DELETE CASCADE
);

CREATE TABLE repository_pull (
    repo_id BIGINT PRIMARY KEY REFERENCES repository (id) ON DELETE CASCADE,
    pulls BIGINT NOT NULL
);
