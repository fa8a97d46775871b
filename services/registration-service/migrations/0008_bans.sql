-- Up Migration

-- The last ban of a member. It is in force from banned_at until banned_until, or without an end; to lift it is to end it.
alter table nodes
  add column banned_at timestamptz,
  add column banned_until timestamptz,
  add column banned_by text,
  add column ban_reason text;
alter table bots
  add column banned_at timestamptz,
  add column banned_until timestamptz,
  add column banned_by text,
  add column ban_reason text;
alter table users
  add column banned_at timestamptz,
  add column banned_until timestamptz,
  add column banned_by text,
  add column ban_reason text;

-- Each replica asks twice a second which nodes were banned, removed or let in again a moment ago.
create index nodes_by_ban on nodes (banned_at) where banned_at is not null;
create index nodes_by_end_of_ban on nodes (banned_until) where banned_until is not null;
create index nodes_by_removal on nodes (removed_at) where removed_at is not null;
-- Each join asks whether its key is banned.
create index nodes_by_banned_key on nodes (key_fingerprint) where banned_at is not null;
