-- Schedules that somebody has turned over: who, when, to what and until when. The last row of a schedule is what holds; rows are never
-- changed, so that it is known who did what. The same table stands in ../postgres/0002_overrides.sql.

CREATE TABLE schedule_overrides (
    id       INTEGER NOT NULL PRIMARY KEY,
    schedule TEXT    NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('open', 'closed', 'auto')), -- auto: by its hours again
    until    TEXT, -- the first instant at which it no longer holds; NULL: until somebody says otherwise
    actor    TEXT    NOT NULL,
    at       TEXT    NOT NULL,
    note     TEXT    NOT NULL
) STRICT;

CREATE INDEX schedule_overrides_schedule ON schedule_overrides (schedule, id);
