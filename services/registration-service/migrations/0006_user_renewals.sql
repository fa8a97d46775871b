-- Up Migration

-- Until when a person's renewals are paid for: each one costs some seconds, so nobody fills the tables by renewing.
alter table users add column renewals_paid_until timestamptz;
