-- Deliveries are written with what causes them, several for each session, so their indexes are as narrow as can be, and grow at
-- their ends.

-- +goose Up

-- The node that is sending it; '': none is.
ALTER TABLE delivery ADD COLUMN holder text NOT NULL DEFAULT '';

DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (network, destination, due_at) WHERE state = 'due';
DROP INDEX delivery_created;
CREATE INDEX delivery_created ON delivery (network, created_at);

-- Most subjects have UUIDv7s for ids, and the ids of the deliveries about one begin as its own does: they need no index.
DROP INDEX delivery_subject;
CREATE INDEX delivery_subject ON delivery (subject, network) WHERE substr(subject, 15, 1) <> '7';
