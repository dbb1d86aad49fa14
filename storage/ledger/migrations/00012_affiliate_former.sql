-- +goose Up

-- The merchant's own ids that affiliates had before they were deleted, or given another one: by such an id others know them.
CREATE TABLE affiliate_former (
    network         text   NOT NULL,
    affiliate       bigint NOT NULL,         -- its number, which another may have got since
    n               bigint NOT NULL,         -- that of the event
    id_from_network text   NOT NULL,
    PRIMARY KEY (network, affiliate, n)
);
