-- Short ids of conversions, for platforms whose clients expect a few characters where ours are UUIDs. Each is made when it is
-- first shown, at random, and stays.

-- +goose Up

CREATE TABLE conversion_alias (
    network       text NOT NULL,
    alias         text NOT NULL CHECK (alias <> ''),
    conversion_id text NOT NULL UNIQUE REFERENCES conversion (id),
    PRIMARY KEY (network, alias)
);
