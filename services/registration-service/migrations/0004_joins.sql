-- Up Migration

-- Labels that the token forced on the node. They are in labels too, over what the node says of itself.
alter table nodes add column node_labels jsonb not null default '{}';

create index nodes_by_token on nodes (token_id, hostname, id) where joined_at is not null;

-- An instance of a bot: one token spent, one line of keys. Until joined_at is set it is a join under way.
create table bots (
  id uuid not null,
  name text not null,
  hostname text not null,
  remote_address text not null,
  token_id text not null,
  generation integer not null default 1,
  created_at timestamptz not null default now(),
  joined_at timestamptz,
  -- When it last changed its key.
  renewed_at timestamptz,
  certificate_issued_at timestamptz,
  certificate_expires_at timestamptz,
  locked_at timestamptz,
  locked_from text,
  constraint bots_pkey primary key (id)
);
create index bots_by_name on bots (name, id) where joined_at is not null;
create index bots_by_token on bots (token_id, name, id) where joined_at is not null;

-- Every key that an instance has had. The key of generation g asked for the one of generation g + 1.
create table bot_keys (
  key_fingerprint bytea not null,
  bot_id uuid not null,
  generation integer not null,
  recorded_at timestamptz not null default now(),
  constraint bot_keys_pkey primary key (key_fingerprint),
  constraint bot_keys_bot foreign key (bot_id) references bots on delete cascade,
  constraint bot_keys_generation_once unique (bot_id, generation)
);
create index bot_keys_by_age on bot_keys (recorded_at);
