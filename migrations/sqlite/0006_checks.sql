-- What checks of the data keep.

-- Objects that no row knows, as fsck found them: kept for a while, then given up for deletion.
CREATE TABLE quarantine (
    okey TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT;

-- Which blobs nobody has read for longest.
CREATE INDEX blob_by_verification ON blob (state, verified_at);
