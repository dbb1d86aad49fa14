-- What Affelios's dialect says of a transaction that had no column, and when a customer first earned a CPA commission.

-- +goose Up

ALTER TABLE customer_transaction ADD COLUMN country text NOT NULL DEFAULT '';
ALTER TABLE customer_transaction ADD COLUMN country_code text NOT NULL DEFAULT '';

ALTER TABLE customer_sum ADD COLUMN first_cpa_at bigint NOT NULL DEFAULT 0;
UPDATE customer_sum SET first_cpa_at = coalesce((SELECT min(t.time) FROM customer_transaction t
    WHERE t.customer_id = customer_sum.customer_id AND t.currency = customer_sum.currency AND t.cpa_commission > 0), 0);
