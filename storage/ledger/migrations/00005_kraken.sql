-- What Kraken's API says of a session that has no other column: its queryParams as they came, JSON, and the id of a quote
-- share. Sessions from an edge have neither.

-- +goose Up

ALTER TABLE session ADD COLUMN query_params text NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN quote_share_id text NOT NULL DEFAULT '';
