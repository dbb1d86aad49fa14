-- +goose Up

-- Until when the endpoint is to be left alone, why, and the settings with which it has asked for that; 0: it is not.
ALTER TABLE destination ADD COLUMN hold_until bigint NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN hold_why text NOT NULL DEFAULT '';
ALTER TABLE destination ADD COLUMN hold_by text NOT NULL DEFAULT '';
-- When somebody last asked for a delivery that had been sent or given up; 0: nobody has.
ALTER TABLE delivery ADD COLUMN again_at bigint NOT NULL DEFAULT 0;
