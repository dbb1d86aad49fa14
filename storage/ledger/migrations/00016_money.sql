-- +goose Up

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
