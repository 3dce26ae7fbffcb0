-- +goose Up
-- How far the directory of a domain was read.
CREATE TABLE bookmark (
    domain   TEXT    NOT NULL PRIMARY KEY,
    place    BLOB, -- NULL: nothing tells what changed; a read of everything is next
    recipes  TEXT    NOT NULL, -- names the recipes by which the photos were judged
    complete INTEGER NOT NULL, -- when the last complete read began
    revision INTEGER NOT NULL
);

-- The photo that was chosen: where it comes from and what it is, in px of the upright picture; '' and 0 where there is none.
ALTER TABLE directory_user ADD COLUMN photo_source TEXT NOT NULL DEFAULT '';
ALTER TABLE directory_user ADD COLUMN photo_format TEXT NOT NULL DEFAULT '';
ALTER TABLE directory_user ADD COLUMN photo_width INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directory_user ADD COLUMN photo_height INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directory_user ADD COLUMN photo_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directory_user ADD COLUMN recipe TEXT NOT NULL DEFAULT ''; -- by which digest was made
CREATE INDEX directory_user_unjudged ON directory_user (domain) WHERE digest = '' AND photo_reason NOT IN ('no_photo', 'bad_photo') AND gone_since = 0;
-- His files in the folder of originals when it was chosen, by a hash of their names, sizes and times; '' where he has none.
ALTER TABLE directory_user ADD COLUMN photo_files TEXT NOT NULL DEFAULT '';
CREATE INDEX directory_user_guid ON directory_user (guid);
