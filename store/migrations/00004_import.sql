-- Runs that wrote photos into the directory, and what each did. Nothing is ever deleted here; the photos themselves are in files beside the database, for as
-- long as import.keep_undo says.

-- +goose Up
CREATE TABLE import_run (
    id      TEXT    NOT NULL PRIMARY KEY,
    undoes  TEXT    NOT NULL DEFAULT '',
    source  TEXT    NOT NULL DEFAULT '',
    by      TEXT    NOT NULL DEFAULT '',
    started INTEGER NOT NULL,
    ended   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE import_change (
    run       TEXT    NOT NULL REFERENCES import_run (id),
    no        INTEGER NOT NULL,
    domain    TEXT    NOT NULL,
    guid      TEXT    NOT NULL,
    sid       TEXT    NOT NULL,
    account   TEXT    NOT NULL,
    dn        TEXT    NOT NULL,
    attribute TEXT    NOT NULL,
    before    TEXT    NOT NULL, -- digests; '' for no value
    after     TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (run, no)
) WITHOUT ROWID;
CREATE INDEX import_change_sid ON import_change (sid);
