-- A token may be for one project only.
--
-- By name, not by number: a token may come before its project's first run, and says nothing of other projects.

ALTER TABLE token ADD COLUMN project TEXT; -- NULL: every project
