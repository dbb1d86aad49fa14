-- The books: what is known of affiliates, campaigns and links beyond what an edge needs, customers, conversions, keys, and
-- the sums that reports are made of. As in the first file: one text for both engines, times in milliseconds, 0 for no time,
-- '' for no text, 0 for no number of a link, affiliate or campaign. Money is bigint minor units.

-- +goose Up

ALTER TABLE affiliate ADD COLUMN id_from_network text NOT NULL DEFAULT '';
ALTER TABLE affiliate ADD COLUMN status text NOT NULL DEFAULT 'approved';
ALTER TABLE affiliate ADD COLUMN sites text NOT NULL DEFAULT '[]';
ALTER TABLE affiliate ADD COLUMN users text NOT NULL DEFAULT '[]';
ALTER TABLE affiliate ADD COLUMN custom_data text NOT NULL DEFAULT '{}';
ALTER TABLE affiliate ADD COLUMN updated_at bigint NOT NULL DEFAULT 0;
UPDATE affiliate SET updated_at = created_at;
CREATE UNIQUE INDEX affiliate_id_from_network ON affiliate (network, id_from_network) WHERE id_from_network <> '';

ALTER TABLE campaign ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE campaign ADD COLUMN commissions text NOT NULL DEFAULT '[]';
ALTER TABLE campaign ADD COLUMN window_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE campaign ADD COLUMN landing_page text NOT NULL DEFAULT '';
ALTER TABLE campaign ADD COLUMN deep_link_hosts text NOT NULL DEFAULT '[]';
ALTER TABLE campaign ADD COLUMN duplicates text NOT NULL DEFAULT 'reject';
ALTER TABLE campaign ADD COLUMN updated_at bigint NOT NULL DEFAULT 0;
UPDATE campaign SET updated_at = created_at;

CREATE TABLE coupon (
    network      text   NOT NULL REFERENCES network (name),
    code_key     text   NOT NULL,            -- the code in lower case
    code         text   NOT NULL,
    campaign_id  bigint NOT NULL REFERENCES campaign (id),
    affiliate_id bigint NOT NULL REFERENCES affiliate (id),
    PRIMARY KEY (network, code_key)
);
CREATE INDEX coupon_campaign ON coupon (campaign_id);
CREATE INDEX coupon_affiliate ON coupon (affiliate_id);

ALTER TABLE link ADD COLUMN expires_at bigint NOT NULL DEFAULT 0;
ALTER TABLE link ADD COLUMN contact_name text NOT NULL DEFAULT '';
ALTER TABLE link ADD COLUMN contact_email text NOT NULL DEFAULT '';
ALTER TABLE link ADD COLUMN organisation text NOT NULL DEFAULT '';
ALTER TABLE link ADD COLUMN training_status text NOT NULL DEFAULT 'not_applicable';
ALTER TABLE link ADD COLUMN is_business boolean NOT NULL DEFAULT false;
ALTER TABLE link ADD COLUMN updated_at bigint NOT NULL DEFAULT 0;
UPDATE link SET updated_at = created_at;
CREATE INDEX link_affiliate ON link (affiliate_id);
CREATE INDEX link_campaign ON link (campaign_id);

ALTER TABLE session ADD COLUMN no_share boolean NOT NULL DEFAULT false;

CREATE INDEX session_visitor ON session (visitor_id, link_id, time) WHERE visitor_id <> '';
CREATE INDEX session_link_time ON session (link_id, time, id);
CREATE INDEX session_class_time ON session (network, class, time, id) WHERE class <> 'human';
CREATE INDEX session_reconstructed ON session (network, time, id) WHERE reconstructed;

CREATE TABLE api_key (
    id           text   PRIMARY KEY CHECK (length(id) = 12),
    network      text   NOT NULL REFERENCES network (name),
    name         text   NOT NULL,
    scopes       text   NOT NULL,            -- JSON array
    rate         bigint NOT NULL,            -- requests per second; 0: the default
    hash         text   NOT NULL,            -- of the secret
    created_at   bigint NOT NULL,
    last_used_at bigint NOT NULL,
    revoked_at   bigint NOT NULL
);
CREATE INDEX api_key_network ON api_key (network, created_at, id);

CREATE TABLE customer (
    id                 text    PRIMARY KEY CHECK (length(id) = 36),
    network            text    NOT NULL REFERENCES network (name),
    external_id        text    NOT NULL CHECK (external_id <> ''),
    brand              text    NOT NULL,
    hash               text    NOT NULL,     -- of the content as first reported
    answer             text    NOT NULL,     -- to the first report, as JSON
    organic            boolean NOT NULL,
    session_id         text    NOT NULL,
    visitor_id         text    NOT NULL,
    link_id            bigint  NOT NULL,
    affiliate_id       bigint  NOT NULL,
    campaign_id        bigint  NOT NULL,
    username           text    NOT NULL,
    registered_at      bigint  NOT NULL,
    country            text    NOT NULL,
    country_code       text    NOT NULL,
    rev_share_excluded boolean NOT NULL,
    cpa_excluded       boolean NOT NULL,
    category           text    NOT NULL,
    label              text    NOT NULL,
    note               text    NOT NULL,
    decision           text    NOT NULL,     -- JSON object
    created_at         bigint  NOT NULL,
    updated_at         bigint  NOT NULL,
    UNIQUE (network, external_id, brand)
);
CREATE INDEX customer_created ON customer (network, created_at, id);
CREATE INDEX customer_affiliate ON customer (network, affiliate_id, created_at, id);
CREATE INDEX customer_visitor ON customer (visitor_id) WHERE visitor_id <> '';
CREATE INDEX customer_session ON customer (session_id) WHERE session_id <> '';

CREATE TABLE customer_transaction (
    id                   text   PRIMARY KEY CHECK (length(id) = 36),
    network              text   NOT NULL REFERENCES network (name),
    customer_id          text   NOT NULL REFERENCES customer (id),
    external_id          text   NOT NULL CHECK (external_id <> ''),
    hash                 text   NOT NULL,
    answer               text   NOT NULL,
    type                 text   NOT NULL,
    time                 bigint NOT NULL,
    currency             text   NOT NULL,
    deposit              bigint NOT NULL,
    gross_revenue        bigint NOT NULL,
    wagered              bigint NOT NULL,
    rev_share_commission bigint NOT NULL,
    cpa_commission       bigint NOT NULL,
    fixed_commission     bigint NOT NULL,
    product              text   NOT NULL,
    category             text   NOT NULL,
    label                text   NOT NULL,
    note                 text   NOT NULL,
    created_at           bigint NOT NULL,
    UNIQUE (network, external_id)
);
CREATE INDEX customer_transaction_created ON customer_transaction (network, created_at, id);
CREATE INDEX customer_transaction_customer ON customer_transaction (customer_id, created_at, id);

-- What a customer's transactions come to, moved in the transaction's own transaction.
CREATE TABLE customer_sum (
    customer_id          text   NOT NULL REFERENCES customer (id),
    currency             text   NOT NULL,
    transactions         bigint NOT NULL,
    deposits             bigint NOT NULL,
    first_deposit_at     bigint NOT NULL,
    first_deposit        bigint NOT NULL,
    gross_revenue        bigint NOT NULL,
    wagered              bigint NOT NULL,
    rev_share_commission bigint NOT NULL,
    cpa_commission       bigint NOT NULL,
    fixed_commission     bigint NOT NULL,
    PRIMARY KEY (customer_id, currency)
);

-- A conversion's identity, for ever. Whoever writes anything of it locks its row first, so a conversion, its repeats and the
-- refunds that come before it follow one another.
CREATE TABLE conversion_identity (
    network     text   NOT NULL,
    source      text   NOT NULL,
    type        text   NOT NULL,
    external_id text   NOT NULL CHECK (external_id <> ''),
    repeats     bigint NOT NULL,             -- conversions with this identity
    PRIMARY KEY (network, external_id, type, source)
);

-- Only what lists select by or show: what is long is with the history, so that many rows are in a page.
CREATE TABLE conversion (
    id           text    PRIMARY KEY CHECK (length(id) = 36),
    network      text    NOT NULL,
    source       text    NOT NULL,
    type         text    NOT NULL,
    external_id  text    NOT NULL,
    repeat       bigint  NOT NULL,
    status       text    NOT NULL,
    amount       bigint  NOT NULL CHECK (amount >= 0),
    currency     text    NOT NULL,
    wage         bigint  NOT NULL,
    closed       boolean NOT NULL,
    paid_at      bigint  NOT NULL,
    affiliate_id bigint  NOT NULL,
    campaign_id  bigint  NOT NULL,
    link_id      bigint  NOT NULL,
    occurred_at  bigint  NOT NULL,
    created_at   bigint  NOT NULL,
    updated_at   bigint  NOT NULL,
    code         text    NOT NULL,
    session_id   text    NOT NULL,
    visitor_id   text    NOT NULL,
    customer_id  text    NOT NULL,
    sub1         text    NOT NULL,
    coupon       text    NOT NULL,
    name         text    NOT NULL,
    commissions  text    NOT NULL,           -- JSON array; the sub-amounts add up to the amount
    meta_data    text    NOT NULL,           -- JSON object, or ''
    FOREIGN KEY (network, external_id, type, source) REFERENCES conversion_identity (network, external_id, type, source)
);
CREATE UNIQUE INDEX conversion_external ON conversion (network, external_id, type, source, repeat);
CREATE INDEX conversion_created ON conversion (network, created_at, id);
CREATE INDEX conversion_status ON conversion (network, status, created_at, id);
CREATE INDEX conversion_type ON conversion (network, type, created_at, id);
CREATE INDEX conversion_source ON conversion (network, source, created_at, id);
CREATE INDEX conversion_closed ON conversion (network, created_at, id) WHERE closed;
CREATE INDEX conversion_affiliate ON conversion (network, affiliate_id, created_at, id, status);
CREATE INDEX conversion_campaign ON conversion (network, campaign_id, created_at, id, status);
CREATE INDEX conversion_link ON conversion (network, link_id, created_at, id) WHERE link_id <> 0;
CREATE INDEX conversion_updated ON conversion (network, updated_at, created_at, id);
CREATE INDEX conversion_occurred ON conversion (network, occurred_at, created_at, id);
CREATE INDEX conversion_amount ON conversion (network, amount, created_at, id);
CREATE INDEX conversion_wage ON conversion (network, wage, created_at, id);
CREATE INDEX conversion_session ON conversion (session_id) WHERE session_id <> '';
CREATE INDEX conversion_visitor ON conversion (visitor_id) WHERE visitor_id <> '';
CREATE INDEX conversion_customer ON conversion (customer_id) WHERE customer_id <> '';

-- A conversion's history: only ever added to. Its amounts and wages add up to the conversion's. An entry of a report (the
-- first, and those of later ones that were taken over) has the hash of the content, and the answer that every repeat of it
-- gets; the first has the decision as well, and the campaign's commissions as they were then.
CREATE TABLE conversion_change (
    conversion_id text   NOT NULL REFERENCES conversion (id),
    n             bigint NOT NULL,
    time          bigint NOT NULL,
    kind          text   NOT NULL,
    status        text   NOT NULL,
    amount        bigint NOT NULL,
    wage          bigint NOT NULL,
    external_id   text   NOT NULL,           -- of a refund
    note          text   NOT NULL,
    actor         text   NOT NULL,
    hash          text   NOT NULL,
    rules         text   NOT NULL,           -- JSON array, or ''
    decision      text   NOT NULL,           -- JSON object, or ''
    answer        text   NOT NULL,           -- JSON object, or ''
    PRIMARY KEY (conversion_id, n)
);

-- Refunds, also those that wait for their conversion (conversion_id '').
CREATE TABLE refund (
    id                     text   PRIMARY KEY CHECK (length(id) = 36),
    network                text   NOT NULL,
    source                 text   NOT NULL,
    external_id            text   NOT NULL CHECK (external_id <> ''),
    hash                   text   NOT NULL,
    answer                 text   NOT NULL,
    conversion_type        text   NOT NULL,
    conversion_external_id text   NOT NULL,
    conversion_id          text   NOT NULL,
    amount                 bigint NOT NULL,
    taken                  bigint NOT NULL,
    currency               text   NOT NULL,
    note                   text   NOT NULL,
    actor                  text   NOT NULL,
    created_at             bigint NOT NULL,
    UNIQUE (network, source, external_id)
);
CREATE INDEX refund_conversion ON refund (network, conversion_external_id, conversion_type, source);

CREATE TABLE idempotency (
    network    text   NOT NULL,
    name       text   NOT NULL,              -- the client's Idempotency-Key, with the id of its API key before it
    hash       text   NOT NULL,              -- of what was asked
    created_at bigint NOT NULL,
    PRIMARY KEY (network, name)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- Sums for reports, moved with what they count. A day is UTC, counted from 1970.
CREATE TABLE click_day (
    network text   NOT NULL,
    day     bigint NOT NULL,
    link_id bigint NOT NULL,
    clicks  bigint NOT NULL,                 -- human and repeat
    uniques bigint NOT NULL,                 -- of the human ones, of a visitor on a link in a day the first
    bots    bigint NOT NULL,                 -- bot, prefetch and subresource
    others  bigint NOT NULL,                 -- the other classes
    PRIMARY KEY (network, day, link_id)
);
CREATE INDEX click_day_link ON click_day (link_id, day);

CREATE TABLE click_sub_day (
    network text   NOT NULL,
    day     bigint NOT NULL,
    link_id bigint NOT NULL,
    sub1    text   NOT NULL,                 -- never ''
    clicks  bigint NOT NULL,
    uniques bigint NOT NULL,
    bots    bigint NOT NULL,
    others  bigint NOT NULL,
    PRIMARY KEY (network, day, link_id, sub1)
);
CREATE INDEX click_sub_day_link ON click_sub_day (link_id, day);

CREATE TABLE conversion_day (
    network      text    NOT NULL,
    day          bigint  NOT NULL,           -- of occurred_at
    affiliate_id bigint  NOT NULL,
    campaign_id  bigint  NOT NULL,
    link_id      bigint  NOT NULL,
    sub1         text    NOT NULL,
    currency     text    NOT NULL,
    status       text    NOT NULL,
    paid         boolean NOT NULL,
    conversions  bigint  NOT NULL,
    amount       bigint  NOT NULL,
    wage         bigint  NOT NULL,
    PRIMARY KEY (network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid)
);
CREATE INDEX conversion_day_affiliate ON conversion_day (network, affiliate_id, day);

-- Visitors who were erased, as hashes, so that what is still on its way to the ledger lands without them.
CREATE TABLE erased_visitor (
    network   text   NOT NULL,
    hash      text   NOT NULL CHECK (length(hash) = 64),
    erased_at bigint NOT NULL CHECK (erased_at > 0),
    PRIMARY KEY (network, hash)
);

-- Up to which session, in order of time, a field has been blanked for its age.
CREATE TABLE retention_mark (
    field      text   PRIMARY KEY,
    time       bigint NOT NULL,
    session_id text   NOT NULL
);

-- Sessions of before this schema count in the reports as well. They have no visitors to tell apart in time: uniques are
-- counted as the distinct visitors of a link in a day.
INSERT INTO click_day (network, day, link_id, clicks, uniques, bots, others)
    SELECT network, time / 86400000, link_id,
        sum(CASE WHEN class IN ('human', 'repeat') THEN 1 ELSE 0 END),
        count(DISTINCT CASE WHEN class = 'human' THEN nullif(visitor_id, '') END),
        sum(CASE WHEN class IN ('bot', 'prefetch', 'subresource') THEN 1 ELSE 0 END),
        sum(CASE WHEN class IN ('human', 'repeat', 'bot', 'prefetch', 'subresource') THEN 0 ELSE 1 END)
    FROM session GROUP BY network, time / 86400000, link_id;
