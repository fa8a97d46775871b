-- Up Migration

-- A token's value is not here: only its HMAC under a pepper that the database never sees.
create table tokens (
  id text not null,
  digest bytea not null,
  roles text[] not null,
  labels jsonb not null,
  description text not null,
  bot_name text,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  max_uses integer,
  uses integer not null default 0,
  revoked_at timestamptz,
  constraint tokens_pkey primary key (id),
  constraint tokens_digest unique (digest),
  constraint tokens_max_uses_positive check (max_uses > 0),
  -- The spend statement counts first and leans on this to refuse the one too many.
  constraint tokens_uses_within_max check (uses <= max_uses),
  constraint tokens_bot_name check ((bot_name is not null) = ('bot' = any (roles)))
);
create index tokens_by_expiry on tokens (expires_at, id);

-- One row for each key that a token admitted. No foreign key: its check would lock the token's row on every spend, and
-- a popular token's joins would queue on it.
create table spends (
  token_id text not null,
  key_fingerprint bytea not null,
  node_id uuid not null,
  spent_at timestamptz not null default now(),
  constraint spends_pkey primary key (token_id, key_fingerprint)
);

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
