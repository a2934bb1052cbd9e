-- Schedules that somebody has turned over: who, when, to what and until when. The last row of a schedule is what holds; rows are never
-- changed, so that it is known who did what. The same table stands in ../sqlite/0002_overrides.sql.

CREATE TABLE schedule_overrides (
    id       BIGINT           NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule TEXT COLLATE "C" NOT NULL,
    state    TEXT             NOT NULL CHECK (state IN ('open', 'closed', 'auto')), -- auto: by its hours again
    until    TIMESTAMPTZ, -- the first instant at which it no longer holds; NULL: until somebody says otherwise
    actor    TEXT             NOT NULL,
    at       TIMESTAMPTZ      NOT NULL,
    note     TEXT             NOT NULL
);

CREATE INDEX schedule_overrides_schedule ON schedule_overrides (schedule, id);
