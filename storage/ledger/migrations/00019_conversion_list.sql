-- All that lists of conversions are filtered by, but for what leads to a handful of rows, in the order of lists.

-- +goose Up

CREATE INDEX conversion_list ON conversion (network, created_at, id, status, type, source, affiliate_id, campaign_id, link_id,
    amount, currency, wage, closed, reversed, occurred_at, updated_at);
DROP INDEX conversion_created; -- last, since PostgreSQL lets nobody read the table from then on
