-- The sums of clicks by sub-id whatever the link, which are few where those of each link are many: a report by sub-id alone
-- reads nothing else.

-- +goose Up

CREATE TABLE sub_day (
    network text   NOT NULL,
    day     bigint NOT NULL,
    sub1    text   NOT NULL,                 -- never ''
    clicks  bigint NOT NULL,
    uniques bigint NOT NULL,
    bots    bigint NOT NULL,
    others  bigint NOT NULL,
    PRIMARY KEY (network, day, sub1)
);

INSERT INTO sub_day (network, day, sub1, clicks, uniques, bots, others)
    SELECT network, day, sub1, sum(clicks), sum(uniques), sum(bots), sum(others)
    FROM click_sub_day GROUP BY network, day, sub1;
