-- What pbxd keeps of the desired state: revisions, objects and secrets, each with its whole history.
-- The same tables stand in ../postgres/0001_revisions.sql; a change to one is a change to both.
--
-- Times are text of one width, `2026-01-31T23:59:59.000000Z`, so that their order as text is their order in time.

CREATE TABLE revisions (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id >= 1),
    base        INTEGER REFERENCES revisions (id) CHECK (base < id),
    state       TEXT    NOT NULL CHECK (state IN ('staged', 'activated', 'committed', 'rolled_back', 'failed')),
    actor       TEXT    NOT NULL,
    origin      TEXT    NOT NULL, -- JSON
    message     TEXT    NOT NULL,
    detail      TEXT,
    created_at  TEXT    NOT NULL,
    finished_at TEXT,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    secrets     INTEGER NOT NULL,
    CHECK ((finished_at IS NULL) = (state IN ('staged', 'activated')))
) STRICT;

-- Applies are serialized, and the database itself says so.
CREATE UNIQUE INDEX revisions_one_unfinished ON revisions ((finished_at IS NULL)) WHERE finished_at IS NULL;

-- One row. Whoever writes locks it first. `last` is the highest number ever given: a number is never given twice.
CREATE TABLE store (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    head        INTEGER REFERENCES revisions (id),
    last        INTEGER NOT NULL,
    key_id      TEXT, -- which key file seals the secrets, without revealing it
    migration   INTEGER NOT NULL, -- the newest one applied, and by which version of pbxd
    migrated_by TEXT    NOT NULL
) STRICT;

INSERT INTO store (id, head, last, key_id, migration, migrated_by) VALUES (1, NULL, 0, NULL, 0, '');

-- What is in force, that is at `store.head`.
CREATE TABLE objects (
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    body     TEXT    NOT NULL, -- JSON
    revision INTEGER NOT NULL REFERENCES revisions (id),
    PRIMARY KEY (kind, name)
) STRICT;

-- What each revision makes of the objects it touches, and nothing about those it does not. NULL: it deletes the object.
CREATE TABLE object_versions (
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    revision INTEGER NOT NULL REFERENCES revisions (id),
    body     TEXT, -- JSON
    PRIMARY KEY (kind, name, revision)
) STRICT;

CREATE INDEX object_versions_revision ON object_versions (revision);

CREATE TABLE secrets (
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    field    TEXT    NOT NULL,
    sealed   BLOB    NOT NULL, -- version, nonce, ciphertext and tag
    revision INTEGER NOT NULL REFERENCES revisions (id),
    PRIMARY KEY (kind, name, field)
) STRICT;

-- Secrets by revision: staged here, moved to `secrets` when the revision is committed, kept for going back to it, and
-- emptied when it is abandoned. The fingerprint tells that a secret changed; NULL: the revision deletes the secret.
CREATE TABLE secret_versions (
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    field       TEXT    NOT NULL,
    revision    INTEGER NOT NULL REFERENCES revisions (id),
    sealed      BLOB,
    fingerprint TEXT,
    PRIMARY KEY (kind, name, field, revision),
    CHECK (sealed IS NULL OR fingerprint IS NOT NULL)
) STRICT;

CREATE INDEX secret_versions_revision ON secret_versions (revision);
