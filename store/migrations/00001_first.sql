-- Times are UTC in Unix milliseconds, 0 where it has not happened. Flags are 0 or 1. No photo's bytes are kept, only digests.

-- +goose Up
CREATE TABLE pass (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    domain             TEXT    NOT NULL,
    started            INTEGER NOT NULL,
    users_ended        INTEGER NOT NULL DEFAULT 0,
    workstations_ended INTEGER NOT NULL DEFAULT 0
);

-- "user" is a reserved word in PostgreSQL.
CREATE TABLE directory_user (
    sid          TEXT    NOT NULL PRIMARY KEY,
    guid         TEXT    NOT NULL,
    domain       TEXT    NOT NULL,
    dn           TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    account_key  TEXT    NOT NULL, -- lower case, to be found by
    upn          TEXT    NOT NULL,
    upn_key      TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    enabled      INTEGER NOT NULL,
    photo_hash   TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    photo_reason TEXT    NOT NULL,
    photo_detail TEXT    NOT NULL,
    pass         INTEGER NOT NULL,
    gone_since   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX directory_user_account ON directory_user (account_key);
CREATE INDEX directory_user_upn ON directory_user (upn_key);

CREATE TABLE workstation (
    no           INTEGER PRIMARY KEY, -- what a claim's token leads to without a search
    id           TEXT    NOT NULL UNIQUE,
    domain       TEXT    NOT NULL,
    dn           TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL,
    host         TEXT    NOT NULL, -- lower case
    os           TEXT    NOT NULL,
    os_version   TEXT    NOT NULL,
    enabled      INTEGER NOT NULL,
    last_logon   INTEGER NOT NULL,
    password_set INTEGER NOT NULL,
    managed_by   TEXT    NOT NULL,
    pass         INTEGER NOT NULL,
    gone_since   INTEGER NOT NULL DEFAULT 0,
    site         TEXT    NOT NULL DEFAULT '',
    due          INTEGER NOT NULL DEFAULT 0, -- a claim sets it to 0; what is set while the lease lives counts after it
    priority     INTEGER NOT NULL DEFAULT 0,
    lease_owner  TEXT    NOT NULL DEFAULT '',
    lease_token  TEXT    NOT NULL DEFAULT '',
    leased_at    INTEGER NOT NULL DEFAULT 0,
    lease_until  INTEGER NOT NULL DEFAULT 0, -- 0: nobody visits it
    attempts     INTEGER NOT NULL DEFAULT 0,
    first_failed INTEGER NOT NULL DEFAULT 0,
    reason       TEXT    NOT NULL DEFAULT '',
    detail       TEXT    NOT NULL DEFAULT '',
    last_contact INTEGER NOT NULL DEFAULT 0,
    last_success INTEGER NOT NULL DEFAULT 0,
    verify_due   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX workstation_host ON workstation (host);
CREATE INDEX workstation_name ON workstation (name_key);
CREATE INDEX workstation_due ON workstation (priority, due) WHERE due > 0 AND lease_until = 0 AND enabled = 1 AND gone_since = 0;
CREATE INDEX workstation_lease ON workstation (lease_until) WHERE lease_until > 0;

-- Beside workstation, so that a claim does not rewrite it.
CREATE TABLE inventory (
    workstation  TEXT    NOT NULL PRIMARY KEY REFERENCES workstation (id),
    taken        INTEGER NOT NULL,
    usable       INTEGER NOT NULL, -- 0: something may have happened since, so that nothing is planned from it
    install_date INTEGER NOT NULL,
    machine_guid TEXT    NOT NULL,
    build        INTEGER NOT NULL,
    type         TEXT    NOT NULL,
    domain       TEXT    NOT NULL,
    entra_joined INTEGER NOT NULL,
    default_tile INTEGER NOT NULL,
    body         TEXT    NOT NULL -- JSON
);

CREATE TABLE picture (
    workstation TEXT    NOT NULL REFERENCES workstation (id),
    sid         TEXT    NOT NULL,
    want        TEXT    NOT NULL,
    have        TEXT    NOT NULL DEFAULT '',
    reason      TEXT    NOT NULL DEFAULT '',
    detail      TEXT    NOT NULL DEFAULT '',
    since       INTEGER NOT NULL DEFAULT 0,
    changed_in  TEXT    NOT NULL DEFAULT '', -- lease_token of the visit that ran when want was set last; empty for none
    PRIMARY KEY (workstation, sid)
) WITHOUT ROWID;
CREATE INDEX picture_sid ON picture (sid);

-- What a user had before our first write.
CREATE TABLE original (
    workstation TEXT NOT NULL REFERENCES workstation (id),
    sid         TEXT NOT NULL,
    body        TEXT NOT NULL, -- JSON
    PRIMARY KEY (workstation, sid)
) WITHOUT ROWID;

CREATE TABLE session (
    workstation TEXT    NOT NULL REFERENCES workstation (id),
    sid         TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    PRIMARY KEY (workstation, sid, source)
) WITHOUT ROWID;
CREATE INDEX session_sid ON session (sid);

-- A row for each secret a credential had: account and mechanism with the secret file's time (Unix nanoseconds) and size.
CREATE TABLE credential (
    account        TEXT    NOT NULL, -- lower case
    mechanism      TEXT    NOT NULL,
    mark_time      INTEGER NOT NULL,
    mark_size      INTEGER NOT NULL,
    accepted_until INTEGER NOT NULL DEFAULT 0, -- it succeeded lately: until then several may try at once
    stopped_since  INTEGER NOT NULL DEFAULT 0,
    detail         TEXT    NOT NULL DEFAULT '',
    permit_token   TEXT    NOT NULL DEFAULT '', -- the one attempt in flight
    permit_owner   TEXT    NOT NULL DEFAULT '',
    permit_until   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, mechanism, mark_time, mark_size)
) WITHOUT ROWID;

CREATE TABLE credential_rejection (
    account     TEXT    NOT NULL,
    mechanism   TEXT    NOT NULL,
    mark_time   INTEGER NOT NULL,
    mark_size   INTEGER NOT NULL,
    workstation TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    known       INTEGER NOT NULL DEFAULT 0, -- another workstation has accepted it since: this one's rejections say nothing of the credential
    PRIMARY KEY (account, mechanism, mark_time, mark_size, workstation)
) WITHOUT ROWID;
