-- Up Migration

-- A node. Until joined_at is set it is a join under way, and not on the roll.
-- Presence is not here: it lives in Redis. What stays when a node goes offline is last_seen_at.
create table nodes (
  id uuid not null,
  hostname text not null,
  roles text[] not null,
  labels jsonb not null,
  version text not null,
  advertised_address text not null,
  remote_address text not null,
  os text not null default '',
  token_id text not null,
  key_fingerprint bytea not null,
  certificate_serial text,
  -- The serial before: a node that never got the reply to its last renewal still holds this one.
  previous_serial text,
  certificate_issued_at timestamptz,
  certificate_expires_at timestamptz,
  created_at timestamptz not null default now(),
  joined_at timestamptz,
  first_seen_at timestamptz,
  last_seen_at timestamptz,
  constraint nodes_pkey primary key (id)
);
create index nodes_by_hostname on nodes (hostname, id) where joined_at is not null;
create index nodes_unfinished on nodes (created_at) where joined_at is null;

create table audit_events (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  action text not null,
  actor text not null,
  remote_address text,
  outcome text not null,
  reason text,
  token_id text,
  node_id uuid,
  details jsonb not null,
  constraint audit_events_outcome_known check (outcome in ('ok', 'refused'))
);
