-- index.db, version 1: what is known about numbers.
--
-- number      E.164 without its plus, as an integer of at most 15 digits; first in every key.
-- ..._at      microseconds since 1970-01-01T00:00:00Z.
-- as_of       the same: the date of a list, or the instant of the request that a verdict answers.
-- entry       sequence number, in audit.db, of the entry that announced the fact.
-- '' in a key column stands for "not given": SQLite would hold two NULLs for different.

-- Rises with every change; `campaigns` and `registers` say when those were last touched, for the readers' caches.
CREATE TABLE generation (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    value     INTEGER NOT NULL,
    campaigns INTEGER NOT NULL,
    registers INTEGER NOT NULL
);
INSERT INTO generation VALUES (1, 0, 0, 0);

-- Which announced changes have been made here. An import lands in many transactions: `done` comes with its last.
CREATE TABLE applied (
    entry      INTEGER PRIMARY KEY,
    done       INTEGER NOT NULL CHECK (done IN (0, 1)),
    generation INTEGER NOT NULL,
    applied_at INTEGER NOT NULL
);

CREATE TABLE controller (
    id    TEXT PRIMARY KEY,
    name  TEXT NOT NULL,
    entry INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE campaign (
    id         TEXT PRIMARY KEY,
    controller TEXT NOT NULL REFERENCES controller (id),
    definition TEXT NOT NULL CHECK (json_valid(definition)),
    entry      INTEGER NOT NULL
) WITHOUT ROWID;

-- In force while lifted_at is NULL. controller and purpose may be '*'.
CREATE TABLE opposition (
    number              INTEGER NOT NULL,
    controller          TEXT NOT NULL,
    purpose             TEXT NOT NULL,
    opposed_at          INTEGER NOT NULL,
    channel             TEXT,
    evidence_uri        TEXT,
    entry               INTEGER NOT NULL,
    lifted_at           INTEGER,
    lifted_evidence_uri TEXT,
    lifted_entry        INTEGER,
    PRIMARY KEY (number, controller, purpose, opposed_at)
) WITHOUT ROWID;

CREATE TABLE consent (
    number          INTEGER NOT NULL,
    controller      TEXT NOT NULL,
    purpose         TEXT NOT NULL,
    channel         TEXT NOT NULL,
    sector          TEXT NOT NULL,
    given_at        INTEGER NOT NULL,
    expires_at      INTEGER,
    method          TEXT NOT NULL,
    evidence_uri    TEXT,
    evidence_sha256 TEXT,
    notice_id       TEXT,
    collected_by    TEXT,
    entry           INTEGER NOT NULL,
    PRIMARY KEY (number, controller, purpose, channel, sector, given_at)
) WITHOUT ROWID;

-- A fact of its own, which ends the consents given up to it; channel '' ends those for every channel.
CREATE TABLE withdrawal (
    number       INTEGER NOT NULL,
    controller   TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    channel      TEXT NOT NULL,
    withdrawn_at INTEGER NOT NULL,
    evidence_uri TEXT,
    entry        INTEGER NOT NULL,
    PRIMARY KEY (number, controller, purpose, channel, withdrawn_at)
) WITHOUT ROWID;

CREATE TABLE relationship (
    number                INTEGER NOT NULL,
    controller            TEXT NOT NULL,
    kind                  TEXT NOT NULL,
    started_at            INTEGER NOT NULL,
    ended_at              INTEGER,
    sector                TEXT,
    simplified_revocation INTEGER NOT NULL CHECK (simplified_revocation IN (0, 1)),
    entry                 INTEGER NOT NULL,
    PRIMARY KEY (number, controller, kind, started_at)
) WITHOUT ROWID;

CREATE TABLE contact (
    number           INTEGER NOT NULL,
    controller       TEXT NOT NULL,
    directory_listed INTEGER CHECK (directory_listed IN (0, 1)),
    region           TEXT,
    subdivision      TEXT,
    timezone         TEXT,
    subject_type     TEXT,
    entry            INTEGER NOT NULL,
    PRIMARY KEY (number, controller)
) WITHOUT ROWID;

-- What a correction replaced: the fact as it stood, as JSON. Written by the triggers below alone.
CREATE TABLE former (
    number      INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    replaced_by INTEGER NOT NULL,
    entry       INTEGER NOT NULL,
    fact        TEXT NOT NULL,
    PRIMARY KEY (number, kind, replaced_by, fact)
) WITHOUT ROWID;

CREATE TRIGGER opposition_corrected BEFORE UPDATE OF entry ON opposition BEGIN
    INSERT OR IGNORE INTO former VALUES (old.number, 'opposition', new.entry, old.entry, json_object(
        'controller', old.controller, 'purpose', old.purpose, 'opposed_at', old.opposed_at,
        'channel', old.channel, 'evidence_uri', old.evidence_uri));
END;

CREATE TRIGGER consent_corrected BEFORE UPDATE OF entry ON consent BEGIN
    INSERT OR IGNORE INTO former VALUES (old.number, 'consent', new.entry, old.entry, json_object(
        'controller', old.controller, 'purpose', old.purpose, 'channel', old.channel, 'sector', old.sector,
        'given_at', old.given_at, 'expires_at', old.expires_at, 'method', old.method,
        'evidence_uri', old.evidence_uri, 'evidence_sha256', old.evidence_sha256,
        'notice_id', old.notice_id, 'collected_by', old.collected_by));
END;

CREATE TRIGGER withdrawal_corrected BEFORE UPDATE OF entry ON withdrawal BEGIN
    INSERT OR IGNORE INTO former VALUES (old.number, 'withdrawal', new.entry, old.entry, json_object(
        'controller', old.controller, 'purpose', old.purpose, 'channel', old.channel,
        'withdrawn_at', old.withdrawn_at, 'evidence_uri', old.evidence_uri));
END;

CREATE TRIGGER relationship_corrected BEFORE UPDATE OF entry ON relationship BEGIN
    INSERT OR IGNORE INTO former VALUES (old.number, 'relationship', new.entry, old.entry, json_object(
        'controller', old.controller, 'kind', old.kind, 'started_at', old.started_at,
        'ended_at', old.ended_at, 'sector', old.sector, 'simplified_revocation', old.simplified_revocation));
END;

CREATE TRIGGER contact_corrected BEFORE UPDATE OF entry ON contact BEGIN
    INSERT OR IGNORE INTO former VALUES (old.number, 'contact', new.entry, old.entry, json_object(
        'controller', old.controller, 'directory_listed', old.directory_listed, 'region', old.region,
        'subdivision', old.subdivision, 'timezone', old.timezone, 'subject_type', old.subject_type));
END;

-- Registers of which something has been taken in; what a register is stands in the configuration.
CREATE TABLE register (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('list', 'query'))
) WITHOUT ROWID;

-- One loaded list. `coverage`: JSON list of E.164 prefixes; a number under none of them is not covered; NULL: all are.
-- `shards`: rows of it. `checksum`: SHA-256 over each row's shard (8 bytes, big-endian), first (2) and bitmap, in order.
CREATE TABLE register_snapshot (
    id          INTEGER PRIMARY KEY,
    register    TEXT NOT NULL REFERENCES register (name),
    state       TEXT NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    as_of       INTEGER NOT NULL,
    loaded_at   INTEGER NOT NULL,
    entries     INTEGER NOT NULL DEFAULT 0,
    shards      INTEGER NOT NULL DEFAULT 0,
    coverage    TEXT CHECK (coverage IS NULL OR json_valid(coverage)),
    checksum    TEXT,
    file_name   TEXT NOT NULL,
    file_sha256 TEXT NOT NULL,
    base        INTEGER,
    forced      TEXT,
    entry       INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_active_snapshot ON register_snapshot (register) WHERE state = 'active';

-- shard = number >> 16; numbers: low 16 bits as a Roaring bitmap in its portable serialisation. A shard of a few hundred
-- to a few thousand numbers has several rows, each small enough to lie within its page; first: the row's smallest.
CREATE TABLE register_shard (
    snapshot INTEGER NOT NULL,
    shard    INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    numbers  BLOB NOT NULL,
    PRIMARY KEY (snapshot, shard, first)
) WITHOUT ROWID;

-- The newest answer of a query register, for one controller alone.
CREATE TABLE register_verdict (
    number              INTEGER NOT NULL,
    register            TEXT NOT NULL,
    controller          TEXT NOT NULL,
    opposed             INTEGER NOT NULL CHECK (opposed IN (0, 1)),
    as_of               INTEGER NOT NULL,
    consents_void_until TEXT,
    batch               TEXT NOT NULL,
    entry               INTEGER NOT NULL,
    PRIMARY KEY (number, register, controller)
) WITHOUT ROWID;

-- A list of numbers handed to a query register's keeper, and its answer.
CREATE TABLE batch (
    id            TEXT PRIMARY KEY,
    register      TEXT NOT NULL REFERENCES register (name),
    controller    TEXT NOT NULL,
    requested_at  INTEGER NOT NULL,
    numbers       INTEGER NOT NULL,
    files         TEXT NOT NULL CHECK (json_valid(files)),
    entry         INTEGER NOT NULL,
    answered_at   INTEGER,
    answer_sha256 TEXT,
    opposed       INTEGER,
    answer_entry  INTEGER
) WITHOUT ROWID;

CREATE TABLE batch_shard (
    batch   TEXT NOT NULL,
    shard   INTEGER NOT NULL,
    numbers BLOB NOT NULL,
    PRIMARY KEY (batch, shard)
) WITHOUT ROWID;

-- What sources have brought: a file is loaded once. `version`: its ETag, else size and time, by which a source is
-- asked whether it has anything new.
CREATE TABLE loaded_file (
    source    TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    loaded_at INTEGER NOT NULL,
    entry     INTEGER NOT NULL,
    PRIMARY KEY (source, sha256)
) WITHOUT ROWID;

CREATE TABLE source_state (
    source       TEXT PRIMARY KEY,
    tried_at     INTEGER,
    succeeded_at INTEGER,
    failures     INTEGER NOT NULL DEFAULT 0,
    last_error   TEXT
) WITHOUT ROWID;
