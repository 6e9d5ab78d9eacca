-- What lists are walked by: narrow indexes in their usual order, and what would otherwise be looked
-- up for each row.

-- listed is whether lists have it without being asked for more: it belongs to nothing else, and is
-- not only what an index names. project_id is its repository's.
ALTER TABLE manifest ADD COLUMN listed INTEGER NOT NULL DEFAULT 1;
ALTER TABLE manifest ADD COLUMN project_id INTEGER;
UPDATE manifest SET project_id = (SELECT r.project_id FROM repository r WHERE r.id = repo_id);
UPDATE manifest SET listed = FALSE
WHERE accessory_of IS NOT NULL
   OR (EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = manifest.id)
       AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = manifest.id));

-- False is certain: it has a manifest.
ALTER TABLE repository ADD COLUMN maybe_empty INTEGER NOT NULL DEFAULT 1;
UPDATE repository SET maybe_empty = FALSE
WHERE EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = repository.id);

CREATE INDEX manifest_listed ON manifest (repo_id, listed, created_at, id);
CREATE INDEX manifest_listed_by_project ON manifest (project_id, listed, created_at, id, repo_id);
CREATE INDEX repository_by_time ON repository (created_at, id, project_id, maybe_empty);
DROP INDEX repository_by_project;
CREATE INDEX repository_by_project ON repository (project_id, created_at, id, maybe_empty);
DROP INDEX tag_by_manifest;
CREATE INDEX tag_by_manifest ON tag (manifest_id, updated_at DESC, name);
DROP INDEX manifest_by_subject;
CREATE INDEX manifest_by_subject ON manifest (repo_id, subject_digest, id);
DROP INDEX manifest_by_accessory;
CREATE INDEX manifest_by_accessory ON manifest (repo_id, accessory_of, created_at, id);
DROP INDEX audit_log_by_time;
CREATE INDEX audit_log_by_time ON audit_log (at, id, project_id);
DROP INDEX audit_log_by_project;
CREATE INDEX audit_log_by_project ON audit_log (project_id, at, id);

-- Triggers keep all that, so that whoever writes need not know of it.

CREATE TRIGGER manifest_pushed AFTER INSERT ON manifest
BEGIN
    UPDATE manifest
    SET project_id = (SELECT r.project_id FROM repository r WHERE r.id = NEW.repo_id),
        listed = NEW.listed AND NEW.accessory_of IS NULL
    WHERE id = NEW.id AND (NEW.project_id IS NULL OR (NEW.listed AND NEW.accessory_of IS NOT NULL));
    UPDATE repository SET maybe_empty = 0 WHERE id = NEW.repo_id AND maybe_empty;
END;

CREATE TRIGGER manifest_belongs AFTER UPDATE OF accessory_of ON manifest
WHEN OLD.accessory_of IS NOT NEW.accessory_of
BEGIN
    UPDATE manifest SET listed = NEW.accessory_of IS NULL
        AND (NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = NEW.id)
             OR EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = NEW.id))
    WHERE id = NEW.id;
END;

CREATE TRIGGER manifest_removed AFTER DELETE ON manifest
BEGIN
    UPDATE repository SET maybe_empty = 1 WHERE id = OLD.repo_id AND NOT maybe_empty;
END;

CREATE TRIGGER manifest_named AFTER INSERT ON manifest_child
BEGIN
    UPDATE manifest SET listed = 0 WHERE id = NEW.child_id AND listed
        AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = NEW.child_id);
END;

CREATE TRIGGER manifest_no_longer_named AFTER DELETE ON manifest_child
BEGIN
    UPDATE manifest SET listed = 1
    WHERE id = OLD.child_id AND NOT listed AND accessory_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = OLD.child_id);
END;

CREATE TRIGGER tag_made AFTER INSERT ON tag
BEGIN
    UPDATE manifest SET listed = 1
    WHERE id = NEW.manifest_id AND NOT listed AND accessory_of IS NULL;
END;

CREATE TRIGGER tag_moved AFTER UPDATE OF manifest_id ON tag WHEN OLD.manifest_id <> NEW.manifest_id
BEGIN
    UPDATE manifest SET listed = 1
    WHERE id = NEW.manifest_id AND NOT listed AND accessory_of IS NULL;
    UPDATE manifest SET listed = 0 WHERE id = OLD.manifest_id AND listed
        AND EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = OLD.manifest_id)
        AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = OLD.manifest_id);
END;

CREATE TRIGGER tag_removed AFTER DELETE ON tag
BEGIN
    UPDATE manifest SET listed = 0 WHERE id = OLD.manifest_id AND listed
        AND EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = OLD.manifest_id)
        AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = OLD.manifest_id);
END;
