-- accounts.db, version 1: who may come in. No password and no key stands here, only Argon2id hashes of them.
-- ..._at: microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE account (
    name       TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('user', 'key')),
    role       TEXT NOT NULL,
    controller TEXT,               -- the only one whose data exist for it; NULL: all
    secret     TEXT NOT NULL,      -- Argon2id, in its own text form
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- A browser that has logged in. token: SHA-256 of the cookie's value.
CREATE TABLE session (
    token      BLOB PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES account (name),
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);

-- Wrong secrets, by what they are counted for: an account, an address, both.
CREATE TABLE failure (
    subject TEXT PRIMARY KEY,
    count   INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Answers to requests that carried an Idempotency-Key; key, request: keyed hashes of it and of what was asked.
-- status 0: begun at that time, and not answered yet.
CREATE TABLE answered (
    account TEXT NOT NULL,
    key     TEXT NOT NULL,
    request BLOB NOT NULL,
    status  INTEGER NOT NULL,
    answer  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answered_at ON answered (at);
