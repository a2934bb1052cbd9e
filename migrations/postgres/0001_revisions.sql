-- What pbxd keeps of the desired state: revisions, objects and secrets, each with its whole history.
-- The same tables stand in ../sqlite/0001_revisions.sql; a change to one is a change to both.
--
-- Kinds and names are collated "C", whatever the database's locale, so that both engines give the same order.

CREATE TABLE revisions (
    id          BIGINT      NOT NULL PRIMARY KEY CHECK (id >= 1),
    base        BIGINT      REFERENCES revisions (id) CHECK (base < id),
    state       TEXT        NOT NULL CHECK (state IN ('staged', 'activated', 'committed', 'rolled_back', 'failed')),
    actor       TEXT        NOT NULL,
    origin      TEXT        NOT NULL, -- JSON
    message     TEXT        NOT NULL,
    detail      TEXT,
    created_at  TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    created     BIGINT      NOT NULL,
    updated     BIGINT      NOT NULL,
    deleted     BIGINT      NOT NULL,
    secrets     BIGINT      NOT NULL,
    CHECK ((finished_at IS NULL) = (state IN ('staged', 'activated')))
);

-- Applies are serialized, and the database itself says so.
CREATE UNIQUE INDEX revisions_one_unfinished ON revisions ((finished_at IS NULL)) WHERE finished_at IS NULL;

-- One row. Whoever writes locks it first. `last` is the highest number ever given: a number is never given twice.
CREATE TABLE store (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    head        BIGINT REFERENCES revisions (id),
    last        BIGINT NOT NULL,
    key_id      TEXT, -- which key file seals the secrets, without revealing it
    migration   BIGINT NOT NULL, -- the newest one applied, and by which version of pbxd
    migrated_by TEXT   NOT NULL
);

INSERT INTO store (id, head, last, key_id, migration, migrated_by) VALUES (1, NULL, 0, NULL, 0, '');

-- What is in force, that is at `store.head`.
CREATE TABLE objects (
    kind     TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    body     TEXT             NOT NULL, -- JSON
    revision BIGINT           NOT NULL REFERENCES revisions (id),
    PRIMARY KEY (kind, name)
);

-- What each revision makes of the objects it touches, and nothing about those it does not. NULL: it deletes the object.
CREATE TABLE object_versions (
    kind     TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    revision BIGINT           NOT NULL REFERENCES revisions (id),
    body     TEXT, -- JSON
    PRIMARY KEY (kind, name, revision)
);

CREATE INDEX object_versions_revision ON object_versions (revision);

CREATE TABLE secrets (
    kind     TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    field    TEXT COLLATE "C" NOT NULL,
    sealed   BYTEA            NOT NULL, -- version, nonce, ciphertext and tag
    revision BIGINT           NOT NULL REFERENCES revisions (id),
    PRIMARY KEY (kind, name, field)
);

-- Secrets by revision: staged here, moved to `secrets` when the revision is committed, kept for going back to it, and
-- emptied when it is abandoned. The fingerprint tells that a secret changed; NULL: the revision deletes the secret.
CREATE TABLE secret_versions (
    kind        TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    field       TEXT COLLATE "C" NOT NULL,
    revision    BIGINT           NOT NULL REFERENCES revisions (id),
    sealed      BYTEA,
    fingerprint TEXT,
    PRIMARY KEY (kind, name, field, revision),
    CHECK (sealed IS NULL OR fingerprint IS NOT NULL)
);

CREATE INDEX secret_versions_revision ON secret_versions (revision);
