-- +goose Up
-- How far the directory of a domain was read.
CREATE TABLE bookmark (
    domain   TEXT    NOT NULL PRIMARY KEY,
    place    BLOB, -- NULL: nothing tells what changed; a read of everything is next
    complete INTEGER NOT NULL, -- when the last complete read began
    revision INTEGER NOT NULL
);

-- The photo that was chosen: where it comes from and what it is, in px of the upright picture; '' and 0 where there is none.
ALTER TABLE directory_user ADD COLUMN photo_source TEXT NOT NULL DEFAULT '';
ALTER TABLE directory_user ADD COLUMN photo_format TEXT NOT NULL DEFAULT '';
ALTER TABLE directory_user ADD COLUMN photo_width INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directory_user ADD COLUMN photo_height INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directory_user ADD COLUMN photo_bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX directory_user_guid ON directory_user (guid);
