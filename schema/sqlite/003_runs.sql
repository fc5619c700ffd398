-- The list of runs costs as much as its page, however many runs there are.
--
-- Its order is newest first, equal times by id: the indexes hold both, so that a page starts where the one
-- before it ended and nothing is sorted.  How many runs there are is counted as they come and go, by
-- triggers, so that no writer can forget it.

DROP INDEX run_by_time;
DROP INDEX run_by_project;
CREATE INDEX run_by_time ON run (created_at DESC, id) WHERE hidden = 0;
CREATE INDEX run_by_project ON run (project, created_at DESC, id) WHERE hidden = 0;

ALTER TABLE project ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;    -- visible ones
ALTER TABLE generation ADD COLUMN runs INTEGER NOT NULL DEFAULT 0; -- visible ones of all projects

UPDATE project SET runs = (SELECT count(*) FROM run WHERE run.project = project.project AND hidden = 0);
UPDATE generation SET runs = (SELECT count(*) FROM run WHERE hidden = 0);

CREATE TRIGGER run_created AFTER INSERT ON run WHEN new.hidden = 0 BEGIN
    UPDATE project SET runs = runs + 1 WHERE project = new.project;
    UPDATE generation SET runs = runs + 1;
END;

CREATE TRIGGER run_moved AFTER UPDATE OF project ON run
WHEN new.project <> old.project AND old.hidden = 0 AND new.hidden = 0 BEGIN
    UPDATE project SET runs = runs - 1 WHERE project = old.project;
    UPDATE project SET runs = runs + 1 WHERE project = new.project;
END;

CREATE TRIGGER run_hidden AFTER UPDATE OF hidden ON run WHEN old.hidden = 0 AND new.hidden = 1 BEGIN
    UPDATE project SET runs = runs - 1 WHERE project = old.project;
    UPDATE generation SET runs = runs - 1;
END;
