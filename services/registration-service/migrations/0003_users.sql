-- Up Migration

-- The people who may operate the cluster. A person without a key has not signed up.
create table users (
  name text not null,
  roles text[] not null,
  created_by text not null,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  -- The one signup token that admits this person now.
  signup_token_id text,
  signed_up_at timestamptz,
  -- No certificate of this person outlives it; a reset is needed then.
  session_expires_at timestamptz,
  key_fingerprint bytea,
  certificate_serial text,
  certificate_expires_at timestamptz,
  -- To about a minute.
  last_seen_at timestamptz,
  constraint users_pkey primary key (name),
  constraint users_one_person_a_key unique (key_fingerprint),
  constraint users_have_a_role check (cardinality(roles) > 0)
);
