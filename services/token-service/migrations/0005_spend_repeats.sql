-- Up Migration

-- Until when the repeats of a spend are paid for: each costs some seconds, so nobody collects certificates by repeating.
alter table spends add column repeats_paid_until timestamptz;
