-- +goose Up

-- By which ids of the merchant's, and of which brands, reports named the customer of a conversion whom its row does not name:
-- one who was not known then, or whom a later report named. So a customer's conversions are found however early they came.
CREATE TABLE named_customer (
    conversion_id text NOT NULL REFERENCES conversion (id),
    external_id   text NOT NULL CHECK (external_id <> ''),
    brand         text NOT NULL,
    network       text NOT NULL,
    PRIMARY KEY (conversion_id, external_id, brand)
);
CREATE INDEX named_customer_external ON named_customer (network, external_id, brand);
