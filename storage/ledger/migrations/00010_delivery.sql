-- +goose Up

-- An event on its way to one destination. What the event is about is read when it is sent.
CREATE TABLE delivery (
    id          text    PRIMARY KEY CHECK (length(id) = 36),
    network     text    NOT NULL,
    destination text    NOT NULL,
    kind        text    NOT NULL,
    subject     text    NOT NULL,            -- the id of what the event happened to
    lane        text    NOT NULL,            -- deliveries of one lane go one after the other, by n; '': in any order
    n           bigint  NOT NULL,
    state       text    NOT NULL,
    due_at      bigint  NOT NULL,            -- while one is being sent: when another hub may take it over
    attempts    bigint  NOT NULL,
    step        bigint  NOT NULL,            -- attempts since it was made due by hand, or at all
    created_at  bigint  NOT NULL,
    updated_at  bigint  NOT NULL
);
CREATE INDEX delivery_due ON delivery (network, destination, due_at, id) WHERE state = 'due';
CREATE INDEX delivery_dead ON delivery (network, destination, created_at, id) WHERE state = 'dead';
CREATE INDEX delivery_lane ON delivery (lane, network, destination, n) WHERE state = 'due' AND lane <> '';
CREATE INDEX delivery_created ON delivery (network, created_at, id);
CREATE INDEX delivery_done ON delivery (updated_at) WHERE state IN ('sent', 'gone');
CREATE INDEX delivery_subject ON delivery (subject, network);

CREATE TABLE delivery_attempt (
    delivery_id text   NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    n           bigint NOT NULL,
    time        bigint NOT NULL,
    duration_us bigint NOT NULL,
    status      bigint NOT NULL,             -- of HTTP; 0: nothing came back
    error       text   NOT NULL,             -- '': it was taken
    answer      text   NOT NULL,             -- its beginning
    PRIMARY KEY (delivery_id, n)
);

CREATE TABLE destination (
    network         text    NOT NULL,
    name            text    NOT NULL,
    paused          boolean NOT NULL,
    disabled_at     bigint  NOT NULL,        -- 0: it is not
    failing_since   bigint  NOT NULL,        -- 0: the last attempt was a success, or there was none
    last_success_at bigint  NOT NULL,
    PRIMARY KEY (network, name)
);
