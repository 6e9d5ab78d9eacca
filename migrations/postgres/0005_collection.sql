-- What collection works from: every row that nothing refers to is in gc_queue, and nothing else
-- is for long. since is when the last reference went; lease_until protects what somebody who is
-- still pushing may be about to refer to.
ALTER TABLE gc_queue ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE gc_queue ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX gc_queue_by_time ON gc_queue (kind, not_before);
CREATE INDEX gc_queue_by_repository ON gc_queue (repo_id, kind, target_id);

-- What was there before.
UPDATE gc_queue SET since = not_before;

INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
SELECT 'manifest', m.id, m.repo_id, 0, m.created_at FROM manifest m
WHERE NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id)
  AND NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = m.id)
ON CONFLICT DO NOTHING;

INSERT INTO gc_queue (kind, target_id, repo_id, not_before)
SELECT 'link', l.blob_id, l.repo_id, l.lease_until FROM repo_blob l
WHERE NOT EXISTS (SELECT 1 FROM manifest_blob h
                  WHERE h.repo_id = l.repo_id AND h.blob_id = l.blob_id)
ON CONFLICT DO NOTHING;

INSERT INTO gc_queue (kind, target_id, not_before)
SELECT 'blob', b.id, 0 FROM blob b
WHERE NOT EXISTS (SELECT 1 FROM repo_blob l WHERE l.blob_id = b.id)
ON CONFLICT DO NOTHING;
