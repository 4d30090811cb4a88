"""The tables of the index: what is filtered and sorted in narrow rows, the rest beside them."""

from __future__ import annotations

import sqlite3

# Raised whenever a table changes: a database of another version is set aside and built again.
VERSION = 1
APPLICATION_ID = 0x4C4F5241  # "LORA"

PRESENT, OFFLINE, GONE = 0, 1, 2
PRESENCES = ("present", "offline", "gone")
UNHASHED, HASHED, STALE, UNREADABLE = 0, 1, 2, 3
TYPE, TAG = 0, 1

# Three rows for each file. `files` is what reconciling asks for; `entries` is narrow, so that a
# filter without an index of its own still reads 20,000 rows in a few milliseconds; `details` is
# read only for what is shown. Foreign keys would cost a tenth of the time that new rows take, so
# triggers remove what belongs to a row. Numbers that may exceed 64 bits (an inode of ReFS) have no
# declared type: they are kept as text then. `root` is empty only while a transaction moves rows.
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE files (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    root INTEGER,
    id TEXT NOT NULL,
    presence INTEGER NOT NULL,
    gone_ns INTEGER NOT NULL,
    size, mtime_ns, inode, ctime_ns,
    companions_stamp TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    exact_path BLOB,
    added_ns INTEGER NOT NULL,
    session TEXT NOT NULL
);
CREATE UNIQUE INDEX by_place ON files(root, id) WHERE presence < 2;
CREATE INDEX by_fingerprint ON files(fingerprint);
CREATE INDEX by_session ON files(session) WHERE session <> '';
CREATE TABLE entries (
    key INTEGER PRIMARY KEY,
    presence INTEGER NOT NULL,
    status TEXT NOT NULL,
    family TEXT NOT NULL,
    folder INTEGER NOT NULL,
    fault INTEGER NOT NULL,
    preview INTEGER NOT NULL,
    favourite INTEGER NOT NULL,
    rating INTEGER NOT NULL,
    has_user INTEGER NOT NULL,
    hashed INTEGER NOT NULL,
    profile INTEGER NOT NULL,
    added_ns INTEGER NOT NULL,
    modified_ns,
    size,
    sort_name TEXT NOT NULL,
    sort_path TEXT NOT NULL
);
CREATE INDEX by_name ON entries(sort_name) WHERE presence < 2;
CREATE INDEX by_path ON entries(sort_path) WHERE presence < 2;
CREATE INDEX by_added ON entries(added_ns) WHERE presence < 2;
CREATE INDEX by_modified ON entries(modified_ns) WHERE presence < 2;
CREATE INDEX by_size ON entries(size) WHERE presence < 2;
CREATE INDEX by_rating ON entries(rating DESC, sort_name) WHERE presence < 2;
CREATE INDEX by_family ON entries(family, sort_name) WHERE presence < 2;
CREATE TABLE details (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    summary TEXT NOT NULL,
    user TEXT NOT NULL
);
CREATE TABLE hashes (
    key INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL,
    tensor_sha256 BLOB NOT NULL
);
CREATE INDEX by_sha256 ON hashes(sha256);
CREATE INDEX by_tensor_sha256 ON hashes(tensor_sha256);
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    folded TEXT NOT NULL,
    shown TEXT NOT NULL,
    UNIQUE (kind, folded)
);
CREATE TABLE labelled (
    label INTEGER NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (label, key)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    checkpoint INTEGER NOT NULL,
    profile INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (checkpoint, profile)
) WITHOUT ROWID;
CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE pending (
    id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    file TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    tensor_sha256 TEXT NOT NULL,
    record TEXT NOT NULL,
    lent_to INTEGER
);
CREATE INDEX pending_fingerprint ON pending(fingerprint);
CREATE INDEX pending_place ON pending(root, file);
CREATE TABLE texts (
    key INTEGER PRIMARY KEY,
    words TEXT NOT NULL
);
CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
    DELETE FROM entries WHERE key = old.key;
    DELETE FROM details WHERE key = old.key;
    DELETE FROM hashes WHERE key = old.key;
    DELETE FROM texts WHERE key = old.key;
END;
CREATE TRIGGER checkpoint_removed AFTER DELETE ON checkpoints BEGIN
    DELETE FROM verdicts WHERE checkpoint = old.id;
END;
"""

# The trigram index costs more than all else that a new row costs, so rows wait in `unindexed`,
# where they are searched one by one, until there is time. (A trigger's own OR IGNORE would not
# hold within an upsert.)
_FULL_TEXT = """
CREATE TABLE unindexed (key INTEGER PRIMARY KEY);
CREATE VIRTUAL TABLE found USING fts5(
    words, content='texts', content_rowid='key', tokenize='trigram case_sensitive 1'
);
CREATE TRIGGER text_added AFTER INSERT ON texts BEGIN
    INSERT INTO unindexed SELECT new.key WHERE new.key NOT IN (SELECT key FROM unindexed);
END;
CREATE TRIGGER text_changed AFTER UPDATE OF words ON texts WHEN old.words <> new.words BEGIN
    INSERT INTO found(found, rowid, words) SELECT 'delete', old.key, old.words
        WHERE old.key NOT IN (SELECT key FROM unindexed);
    INSERT INTO unindexed SELECT new.key WHERE new.key NOT IN (SELECT key FROM unindexed);
END;
CREATE TRIGGER text_removed AFTER DELETE ON texts BEGIN
    INSERT INTO found(found, rowid, words) SELECT 'delete', old.key, old.words
        WHERE old.key NOT IN (SELECT key FROM unindexed);
    DELETE FROM unindexed WHERE key = old.key;
END;
"""


def can_index_text() -> bool:
    """Whether this build of SQLite has FTS5 with trigrams (3.34)."""
    probe = sqlite3.connect(":memory:")
    try:
        probe.execute("CREATE VIRTUAL TABLE probe USING fts5(words, tokenize='trigram')")
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()
    return True


def create(connection: sqlite3.Connection, full_text: bool) -> None:
    """Makes the tables in an empty database, within the caller's transaction."""
    for statement in _statements(_TABLES + (_FULL_TEXT if full_text else "")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def names(connection: sqlite3.Connection) -> frozenset[str]:
    """The tables, indexes and triggers that are there."""
    return frozenset(name for (name,) in connection.execute("SELECT name FROM sqlite_master"))


def definitions(connection: sqlite3.Connection) -> dict[str, str]:
    """Name -> the statement that made it, without what SQLite and FTS5 make by themselves."""
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    own = expected(True)
    return {name: sql for name, sql in found if name in own}


def expected(full_text: bool) -> frozenset[str]:
    """The names that `create` makes, without those that SQLite adds."""
    words = [statement.split() for statement in _statements(_TABLES)]
    if full_text:
        words += [statement.split() for statement in _statements(_FULL_TEXT)]
    skipped = {"CREATE", "UNIQUE", "VIRTUAL", "TABLE", "INDEX", "TRIGGER"}
    return frozenset(next(w for w in each if w not in skipped) for each in words)


def _statements(script: str) -> list[str]:
    """`executescript` would commit the caller's transaction."""
    found, current = [], ""
    for line in script.strip().splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    return found
