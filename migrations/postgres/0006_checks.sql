-- What checks of the data keep.

-- Objects that no row knows, as fsck found them: kept for a while, then given up for deletion.
CREATE TABLE quarantine (
    okey TEXT COLLATE "C" PRIMARY KEY,
    first_seen BIGINT NOT NULL,
    why TEXT COLLATE "C" NOT NULL
);

-- Which blobs nobody has read for longest.
CREATE INDEX blob_by_verification ON blob (state, verified_at);
