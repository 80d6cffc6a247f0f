-- audit.db: what was decided and what decisions rest on. Read docs/auditing.md beside this file.

PRAGMA user_version = 1;

-- One row is one leaf of the Merkle tree: leaf index = seq - 1, leaf hash = SHA-256(0x00 || body).
-- The columns after `body` repeat values of the body for searching; `audit verify` compares them.
CREATE TABLE entry (
    seq        INTEGER PRIMARY KEY,   -- 1, 2, 3 … without a gap, given inside the transaction
    body       BLOB NOT NULL,         -- canonical JSON (RFC 8785): the leaf's bytes
    id         TEXT NOT NULL,         -- ULID, 26 characters
    kind       TEXT NOT NULL,
    at         INTEGER NOT NULL,      -- microseconds since 1970-01-01T00:00:00Z
    campaign   TEXT,
    controller TEXT,
    verdict    TEXT,
    reason     TEXT,
    ref        TEXT                   -- id of the entry this one speaks of: its decision, its announcement
) STRICT;
CREATE UNIQUE INDEX entry_id ON entry (id);
CREATE INDEX entry_at ON entry (at);
CREATE INDEX entry_ref ON entry (ref) WHERE ref IS NOT NULL;
CREATE INDEX entry_failopen ON entry (CAST(body AS TEXT) ->> '$.uniqueid') WHERE kind = 'failopen';
CREATE INDEX entry_change ON entry (seq) WHERE kind = 'change-announced';
CREATE INDEX entry_rare ON entry (kind, seq)
WHERE kind NOT IN ('decision', 'delivery', 'outcome');  -- SQLite uses it where a query says just that

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT raise(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
BEGIN SELECT raise(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER entry_is_never_replaced BEFORE INSERT ON entry
WHEN EXISTS (SELECT 1 FROM entry WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM entry WHERE id = NEW.id)
BEGIN SELECT raise(ABORT, 'entries are never replaced'); END;

-- The number behind an entry; the entry's own body holds only HMAC-SHA256(salt, number).
-- Purging and erasing delete rows here and nowhere else.
CREATE TABLE subject (
    seq    INTEGER PRIMARY KEY REFERENCES entry (seq),
    salt   BLOB NOT NULL,             -- 32 random bytes
    token  BLOB NOT NULL,             -- HMAC-SHA256(search key, number)
    sealed BLOB NOT NULL              -- 12-byte nonce || AES-256-GCM(sealing key, number, aad = entry id)
) STRICT;
CREATE INDEX subject_token ON subject (token, seq);

CREATE TRIGGER subject_is_never_changed BEFORE UPDATE ON subject
BEGIN SELECT raise(ABORT, 'subjects are deleted, never changed'); END;

-- Calls that were let out, for frequency caps: derived from the entries, which are the evidence.
CREATE TABLE attempt (
    token      BLOB NOT NULL,
    at         INTEGER NOT NULL,
    seq        INTEGER NOT NULL REFERENCES entry (seq),  -- the decision that allowed the call
    controller TEXT NOT NULL,
    pbx        TEXT NOT NULL,
    uniqueid   TEXT NOT NULL,
    decision   TEXT NOT NULL,
    delivered  INTEGER,               -- when Asterisk confirmed the verdict; NULL: only claimed, which lapses
    outcome    TEXT,
    PRIMARY KEY (token, at, seq)
) STRICT, WITHOUT ROWID;

-- Merkle tree nodes in the tiles of c2sp.org/tlog-tiles: level, index, up to 256 hashes of 32 bytes.
CREATE TABLE tile (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tile_grows_only BEFORE UPDATE ON tile
WHEN length(OLD.hashes) = 8192 OR length(NEW.hashes) < length(OLD.hashes)
BEGIN SELECT raise(ABORT, 'a full tile is never changed'); END;
CREATE TRIGGER tile_is_never_deleted BEFORE DELETE ON tile
BEGIN SELECT raise(ABORT, 'tiles are never deleted'); END;

-- Signed checkpoints (c2sp.org/tlog-checkpoint), as signed.
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,         -- entries it covers
    note BLOB NOT NULL
) STRICT;
CREATE TRIGGER checkpoint_is_never_changed BEFORE UPDATE ON checkpoint
BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoint_is_never_deleted BEFORE DELETE ON checkpoint
BEGIN SELECT raise(ABORT, 'checkpoints are never deleted'); END;
