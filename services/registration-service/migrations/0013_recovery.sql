-- Up Migration

-- What a node whose certificate has expired is to sign with its key, and when it was made. It is good once and for a minute.
alter table nodes
  add column recovery_challenge bytea,
  add column recovery_challenge_at timestamptz;
