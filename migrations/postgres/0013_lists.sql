-- What lists are walked by: narrow indexes in their usual order, and what would otherwise be looked
-- up for each row.

-- listed is whether lists have it without being asked for more: it belongs to nothing else, and is
-- not only what an index names. project_id is its repository's.
ALTER TABLE manifest ADD COLUMN listed BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE manifest ADD COLUMN project_id BIGINT;
UPDATE manifest SET project_id = (SELECT r.project_id FROM repository r WHERE r.id = repo_id);
UPDATE manifest SET listed = FALSE
WHERE accessory_of IS NOT NULL
   OR (EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = manifest.id)
       AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = manifest.id));

-- False is certain: it has a manifest.
ALTER TABLE repository ADD COLUMN maybe_empty BOOLEAN NOT NULL DEFAULT TRUE;
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
--
-- They decide by rows that others may be changing, so each locks what it goes by
-- and looks again: the manifest, and what is there. What is not there cannot come unnoticed: who
-- names or tags a manifest shares its row by the foreign key, whose check is before these triggers,
-- as triggers go by their names.

CREATE FUNCTION manifest_pushing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.project_id IS NULL THEN
        NEW.project_id := (SELECT r.project_id FROM repository r WHERE r.id = NEW.repo_id);
    END IF;
    NEW.listed := NEW.listed AND NEW.accessory_of IS NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER manifest_pushing BEFORE INSERT ON manifest
    FOR EACH ROW EXECUTE FUNCTION manifest_pushing();

-- Whoever removes the manifest that this is certain of sees that it is, and says otherwise.
CREATE FUNCTION manifest_pushed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE repository SET maybe_empty = FALSE WHERE id = NEW.repo_id AND maybe_empty;
    RETURN NULL;
END $$;
CREATE TRIGGER manifest_pushed AFTER INSERT ON manifest
    FOR EACH ROW EXECUTE FUNCTION manifest_pushed();

CREATE FUNCTION manifest_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE repository SET maybe_empty = TRUE
    WHERE NOT maybe_empty AND id IN (SELECT g.repo_id FROM gone g);
    RETURN NULL;
END $$;
CREATE TRIGGER manifest_removed AFTER DELETE ON manifest
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION manifest_removed();

CREATE FUNCTION manifest_belongs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.listed := NEW.accessory_of IS NULL
        AND (NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = NEW.id)
             OR EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = NEW.id));
    RETURN NEW;
END $$;
CREATE TRIGGER manifest_belongs BEFORE UPDATE OF accessory_of ON manifest FOR EACH ROW
    WHEN (OLD.accessory_of IS DISTINCT FROM NEW.accessory_of)
    EXECUTE FUNCTION manifest_belongs();

-- Before the foreign key shares the row: two who shared it could not both have it alone.
CREATE FUNCTION manifest_naming() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM manifest m WHERE m.id = NEW.child_id AND m.listed FOR UPDATE;
    RETURN NEW;
END $$;
CREATE TRIGGER manifest_naming BEFORE INSERT ON manifest_child
    FOR EACH ROW EXECUTE FUNCTION manifest_naming();

CREATE FUNCTION manifest_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM manifest m WHERE m.id = NEW.child_id AND m.listed FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM tag t WHERE t.manifest_id = NEW.child_id LIMIT 1 FOR SHARE;
    IF NOT FOUND THEN
        UPDATE manifest SET listed = FALSE WHERE id = NEW.child_id AND listed;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER manifest_named AFTER INSERT ON manifest_child
    FOR EACH ROW EXECUTE FUNCTION manifest_named();

CREATE FUNCTION manifest_no_longer_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM manifest m WHERE m.id = OLD.child_id AND m.accessory_of IS NULL FOR UPDATE;
    UPDATE manifest SET listed = TRUE
    WHERE id = OLD.child_id AND NOT listed AND accessory_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = OLD.child_id);
    RETURN NULL;
END $$;
CREATE TRIGGER manifest_no_longer_named AFTER DELETE ON manifest_child
    FOR EACH ROW EXECUTE FUNCTION manifest_no_longer_named();

CREATE FUNCTION tag_is_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE manifest SET listed = TRUE
    WHERE id = NEW.manifest_id AND NOT listed AND accessory_of IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER tag_made AFTER INSERT ON tag FOR EACH ROW EXECUTE FUNCTION tag_is_on();
CREATE TRIGGER tag_moved AFTER UPDATE OF manifest_id ON tag FOR EACH ROW
    WHEN (OLD.manifest_id <> NEW.manifest_id) EXECUTE FUNCTION tag_is_on();

CREATE FUNCTION tag_is_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Nothing is waited for here, as who came meanwhile would not be seen. Whoever names a manifest
    -- that is named already keeps the last of the others from going, so that one is seen until then.
    IF NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = OLD.manifest_id) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM manifest m WHERE m.id = OLD.manifest_id FOR UPDATE;
    PERFORM 1 FROM tag t WHERE t.manifest_id = OLD.manifest_id LIMIT 1 FOR SHARE;
    IF NOT FOUND THEN
        UPDATE manifest SET listed = FALSE WHERE id = OLD.manifest_id AND listed
            AND EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = OLD.manifest_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tag_moved_away AFTER UPDATE OF manifest_id ON tag FOR EACH ROW
    WHEN (OLD.manifest_id <> NEW.manifest_id) EXECUTE FUNCTION tag_is_off();
CREATE TRIGGER tag_removed AFTER DELETE ON tag FOR EACH ROW EXECUTE FUNCTION tag_is_off();
