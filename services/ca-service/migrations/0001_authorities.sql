-- Up Migration

-- An authority is a root and the issuing CAs under it. Keys are sealed under a key that the database never sees.
create table authorities (
  id bigint generated always as identity primary key,
  type text not null,
  root_certificate bytea not null,
  root_key_sealed bytea not null,
  created_at timestamptz not null default now(),
  constraint authorities_type_known check (type in ('host', 'user')),
  constraint authorities_one_of_a_type unique (type)
);

create table issuing_cas (
  id bigint generated always as identity primary key,
  authority_id bigint not null,
  certificate bytea not null,
  key_sealed bytea not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint issuing_cas_authority foreign key (authority_id) references authorities (id)
);

-- Every certificate, recorded before it is signed: there is none that nobody knows of.
create table certificates (
  serial bytea not null,
  issuing_ca_id bigint not null,
  spiffe_id text not null,
  roles text[] not null,
  key_fingerprint bytea not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  requested_by text not null,
  issued_at timestamptz not null default now(),
  constraint certificates_pkey primary key (serial),
  constraint certificates_serial_length check (octet_length(serial) = 16)
);
create index certificates_by_end on certificates (not_after);

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
