-- What administrators take away, what others put in its place, and keys that users may write.

-- +goose Up
ALTER TABLE directory_user ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE picture ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN ended INTEGER NOT NULL DEFAULT 0; -- the profile is gone

-- Beside picture, which a visit rewrites: only few pairs have one.
CREATE TABLE history (
    workstation    TEXT    NOT NULL REFERENCES workstation (id),
    sid            TEXT    NOT NULL,
    overwritten    INTEGER NOT NULL DEFAULT 0, -- how often
    overwritten_at INTEGER NOT NULL DEFAULT 0,
    path           TEXT    NOT NULL DEFAULT '', -- what the values named then
    changed        INTEGER NOT NULL DEFAULT 0, -- when that file was written
    removed_at     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (workstation, sid)
) WITHOUT ROWID;

-- Permissions that let users write, as the last inventory has them; each inventory replaces its workstation's.
CREATE TABLE finding (
    workstation TEXT    NOT NULL REFERENCES workstation (id),
    no          INTEGER NOT NULL, -- their order
    key         TEXT    NOT NULL,
    trustee     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    may         TEXT    NOT NULL,
    owner       INTEGER NOT NULL,
    inherited   INTEGER NOT NULL,
    below       INTEGER NOT NULL,
    unclear     TEXT    NOT NULL,
    sddl        TEXT    NOT NULL,
    found       INTEGER NOT NULL, -- the first inventory in a row that shows it
    PRIMARY KEY (workstation, no)
) WITHOUT ROWID;

-- Values that point elsewhere, likewise.
CREATE TABLE elsewhere (
    workstation TEXT    NOT NULL REFERENCES workstation (id),
    no          INTEGER NOT NULL,
    sid         TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    value_kind  TEXT    NOT NULL,
    data        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    found       INTEGER NOT NULL,
    PRIMARY KEY (workstation, no)
) WITHOUT ROWID;

-- Permissions as they were before they were mended, and as they were read after it. Nothing is ever deleted here.
CREATE TABLE repaired (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    workstation TEXT    NOT NULL REFERENCES workstation (id),
    key         TEXT    NOT NULL,
    before      TEXT    NOT NULL, -- SDDL
    after       TEXT    NOT NULL DEFAULT '', -- SDDL; empty until an inventory has read it
    at          INTEGER NOT NULL
);
CREATE INDEX repaired_workstation ON repaired (workstation);
