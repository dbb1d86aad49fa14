-- What a destination calls what it was told of, for those that have to know it later: the id that a platform gave a conversion, a
-- visitor's token there. It is written with the outcome of the delivery that brought it.

-- +goose Up

CREATE TABLE external_ref (
    network     text   NOT NULL,
    destination text   NOT NULL,
    subject     text   NOT NULL,             -- our id of it
    ref         text   NOT NULL,             -- the destination's
    updated_at  bigint NOT NULL,
    PRIMARY KEY (network, destination, subject)
);
CREATE INDEX external_ref_subject ON external_ref (subject, network);
