-- Uploads to an object store. part_size is fixed with the first part; parts are their ids at the
-- store, as a JSON list. What does not fill a part is an object of its own, the tail; its key is
-- in next_tail_key before it is written. digest is what a finished upload was verified to be,
-- noted before its label is written at the store.
ALTER TABLE upload ADD COLUMN part_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE upload ADD COLUMN parts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE upload ADD COLUMN tail_key TEXT;
ALTER TABLE upload ADD COLUMN next_tail_key TEXT;
ALTER TABLE upload ADD COLUMN digest TEXT;
CREATE UNIQUE INDEX upload_by_tail ON upload (tail_key);
CREATE UNIQUE INDEX upload_by_next_tail ON upload (next_tail_key);

-- Whose label goes with the object.
ALTER TABLE tombstone ADD COLUMN digest TEXT;
