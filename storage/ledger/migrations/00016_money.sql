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

-- Reversed: nothing is left of it, and nothing but a person's new conversion brings it back. One that was given an amount
-- again since then is not.
ALTER TABLE conversion ADD COLUMN reversed boolean NOT NULL DEFAULT false;
UPDATE conversion SET reversed = true WHERE amount = 0 AND wage = 0 AND id IN
    (SELECT conversion_id FROM conversion_change WHERE kind = 'reversed');
CREATE INDEX conversion_reversed ON conversion (network, created_at, id) WHERE reversed;

-- How much of a refund still waits for conversions to take it from.
ALTER TABLE refund ADD COLUMN waiting bigint NOT NULL DEFAULT 0;
UPDATE refund SET waiting = amount WHERE conversion_id = '';
CREATE INDEX refund_created ON refund (network, created_at, id);
CREATE INDEX refund_waiting ON refund (network, created_at, id) WHERE waiting > 0;
