-- +goose Up

-- The node that is sending it; '': none is.
ALTER TABLE delivery ADD COLUMN holder text NOT NULL DEFAULT '';
