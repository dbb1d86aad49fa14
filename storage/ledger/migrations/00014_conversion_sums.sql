-- The sums of conversions in the two ways in which they are few where those of conversion_day may be as many as the conversions:
-- whatever the link and the sub-id, and whatever the partner. A report that asks for no more reads nothing else.

-- +goose Up

-- A day's sums are kept in two parts, high × 1000000000 + the rest, so that no number of amounts makes one overflow. They are
-- counted anew: one that has overflowed in SQLite is a float since then.
ALTER TABLE conversion_day ADD COLUMN amount_high bigint NOT NULL DEFAULT 0;
ALTER TABLE conversion_day ADD COLUMN wage_high bigint NOT NULL DEFAULT 0;
DELETE FROM conversion_day;
INSERT INTO conversion_day (network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid, conversions,
        amount_high, amount, wage_high, wage)
    SELECT network, occurred_at / 86400000, affiliate_id, campaign_id, link_id, sub1, currency, status, paid_at <> 0, count(*),
        CAST(sum(amount / 1000000000) AS bigint), CAST(sum(amount % 1000000000) AS bigint),
        CAST(sum(wage / 1000000000) AS bigint), CAST(sum(wage % 1000000000) AS bigint)
    FROM conversion
    GROUP BY network, occurred_at / 86400000, affiliate_id, campaign_id, link_id, sub1, currency, status, paid_at <> 0;

CREATE TABLE conversion_partner_day (
    network      text    NOT NULL,
    day          bigint  NOT NULL,           -- of occurred_at
    affiliate_id bigint  NOT NULL,
    campaign_id  bigint  NOT NULL,
    currency     text    NOT NULL,
    status       text    NOT NULL,
    paid         boolean NOT NULL,
    conversions  bigint  NOT NULL,
    amount_high  bigint  NOT NULL,
    amount       bigint  NOT NULL,
    wage_high    bigint  NOT NULL,
    wage         bigint  NOT NULL,
    PRIMARY KEY (network, day, affiliate_id, campaign_id, currency, status, paid)
);
CREATE INDEX conversion_partner_day_affiliate ON conversion_partner_day (network, affiliate_id, day);

CREATE TABLE conversion_sub_day (
    network      text    NOT NULL,
    day          bigint  NOT NULL,
    sub1         text    NOT NULL,           -- never ''
    currency     text    NOT NULL,
    status       text    NOT NULL,
    paid         boolean NOT NULL,
    conversions  bigint  NOT NULL,
    amount_high  bigint  NOT NULL,
    amount       bigint  NOT NULL,
    wage_high    bigint  NOT NULL,
    wage         bigint  NOT NULL,
    PRIMARY KEY (network, day, sub1, currency, status, paid)
);

INSERT INTO conversion_partner_day (network, day, affiliate_id, campaign_id, currency, status, paid, conversions,
        amount_high, amount, wage_high, wage)
    SELECT network, day, affiliate_id, campaign_id, currency, status, paid, sum(conversions),
        sum(amount_high), sum(amount), sum(wage_high), sum(wage)
    FROM conversion_day GROUP BY network, day, affiliate_id, campaign_id, currency, status, paid;

INSERT INTO conversion_sub_day (network, day, sub1, currency, status, paid, conversions,
        amount_high, amount, wage_high, wage)
    SELECT network, day, sub1, currency, status, paid, sum(conversions),
        sum(amount_high), sum(amount), sum(wage_high), sum(wage)
    FROM conversion_day WHERE sub1 <> '' GROUP BY network, day, sub1, currency, status, paid;
