-- Up Migration

-- The running processes of services, each with what it trusts and presents. A rotation waits for those seen lately.
create table replicas (
  id uuid not null,
  service text not null,
  hostname text not null,
  trust_version integer not null,
  authority_number integer not null,
  seen_at timestamptz not null default now(),
  constraint replicas_pkey primary key (id)
);
