-- +goose Up

-- The highest number that a deleted row of the catalog had: other systems may know it, so nothing else gets it.
CREATE TABLE deleted_number (
    kind    text   PRIMARY KEY,
    highest bigint NOT NULL
);
