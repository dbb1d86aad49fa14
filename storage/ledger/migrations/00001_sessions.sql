-- The ledger's first part: networks, links, sessions, and what the apply step keeps. One text for SQLite and PostgreSQL:
-- times and durations are bigint milliseconds, JSON is text, absent text is ''. Numbers of links, affiliates and campaigns
-- are given by the writer under the lock of meta's row, so no identity columns are needed.

-- +goose Up

CREATE TABLE meta (
    one          integer PRIMARY KEY CHECK (one = 1),
    ledger_id    text    NOT NULL,           -- protocol L5
    link_version bigint  NOT NULL            -- grows with every change of a link, an affiliate or a campaign
);

CREATE TABLE network (
    name       text   PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    created_at bigint NOT NULL
);

CREATE TABLE affiliate (
    id         bigint PRIMARY KEY,
    network    text   NOT NULL REFERENCES network (name),
    name       text   NOT NULL CHECK (name <> ''),
    created_at bigint NOT NULL,
    UNIQUE (network, name)
);

CREATE TABLE campaign (
    id         bigint PRIMARY KEY,
    network    text   NOT NULL REFERENCES network (name),
    name       text   NOT NULL CHECK (name <> ''),
    created_at bigint NOT NULL,
    UNIQUE (network, name)
);

CREATE TABLE link (
    id              bigint  PRIMARY KEY,
    network         text    NOT NULL REFERENCES network (name),
    code            text    NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
    code_key        text    NOT NULL,        -- the code in lower case
    affiliate_id    bigint  NOT NULL REFERENCES affiliate (id),
    campaign_id     bigint  NOT NULL REFERENCES campaign (id),
    subdomain       text    NOT NULL,
    destination     text    NOT NULL,
    deep_link_hosts text    NOT NULL,        -- JSON array
    window_ms       bigint  NOT NULL,        -- 0: the default
    active          boolean NOT NULL,        -- the operator's switch
    gone            boolean NOT NULL,        -- source is config, and the Caddyfile no longer has it
    source          text    NOT NULL,
    created_at      bigint  NOT NULL,
    UNIQUE (network, code_key)
);

CREATE UNIQUE INDEX link_subdomain ON link (network, subdomain) WHERE subdomain <> '';

CREATE TABLE session (
    id            text    PRIMARY KEY CHECK (length(id) = 36),
    network       text    NOT NULL,
    link_id       bigint  NOT NULL REFERENCES link (id),
    code          text    NOT NULL,
    class         text    NOT NULL CHECK (class <> ''),
    time          bigint  NOT NULL CHECK (time >= 0),
    visitor_id    text    NOT NULL,
    ip            text    NOT NULL,
    user_agent    text    NOT NULL,
    browser       text    NOT NULL,
    os            text    NOT NULL,
    device        text    NOT NULL,
    host          text    NOT NULL,
    route         text    NOT NULL,
    query         text    NOT NULL,
    referrer      text    NOT NULL,
    param         text    NOT NULL,
    sub_ids       text    NOT NULL,          -- JSON object
    click_ids     text    NOT NULL,          -- JSON object
    origin        text    NOT NULL,
    seq           bigint  NOT NULL,
    reconstructed boolean NOT NULL
);

CREATE INDEX session_time ON session (time, id);
CREATE INDEX session_network_time ON session (network, time, id);

-- Rows of origin are never deleted and cursors never lowered (protocol R3).
CREATE TABLE origin (
    name        text   PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    cursor      bigint NOT NULL,
    settled     bigint NOT NULL,             -- the cursor nine marks back (protocol L1); 0: none yet
    applied     bigint NOT NULL,
    repeated    bigint NOT NULL,             -- of the applied: session ids that were there already; must stay 0
    quarantined bigint NOT NULL,
    lost        bigint NOT NULL,
    first_seen  bigint NOT NULL,
    last_seen   bigint NOT NULL,
    CHECK (cursor = applied + quarantined + lost)
);

CREATE TABLE mark (
    n  bigint PRIMARY KEY,
    at bigint NOT NULL
);

CREATE TABLE cursor_mark (
    n      bigint NOT NULL,
    origin text   NOT NULL,
    cursor bigint NOT NULL,
    PRIMARY KEY (n, origin)
);

CREATE TABLE quarantine (
    origin     text    NOT NULL,
    seq        bigint  NOT NULL,
    from_seq   bigint  NOT NULL,             -- a lost record stands for from_seq to seq
    lost       boolean NOT NULL,
    reason     text    NOT NULL,
    raw        bytea   NOT NULL,
    created_at bigint  NOT NULL,
    PRIMARY KEY (origin, seq)
);
