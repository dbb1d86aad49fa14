-- Program tokens: the parameters that groups and users have for affiliate programmes, and the links that use them. As in the
-- first file: one text for both engines, times in milliseconds.

-- +goose Up

CREATE TABLE program_tokens (
    id         text   PRIMARY KEY CHECK (length(id) = 32),
    network    text   NOT NULL REFERENCES network (name),
    group_id   bigint NOT NULL,              -- -1: a user's own
    holder     text   NOT NULL,              -- the user's name; '' for a group's
    program    text   NOT NULL CHECK (program <> ''),
    username   text   NOT NULL,
    parameters text   NOT NULL,              -- JSON object of texts
    hosts      text   NOT NULL,              -- JSON array
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (network, group_id, holder, program)
);

CREATE TABLE token_set (
    id         bigint PRIMARY KEY,
    network    text   NOT NULL REFERENCES network (name),
    guid       text   NOT NULL UNIQUE CHECK (length(guid) = 32),
    username   text   NOT NULL,
    programs   text   NOT NULL,              -- JSON array
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

ALTER TABLE link ADD COLUMN program text NOT NULL DEFAULT '';
ALTER TABLE link ADD COLUMN group_id bigint NOT NULL DEFAULT 0;
