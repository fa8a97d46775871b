-- Up Migration

-- The audit of one service, in the schema of that service. Schemas from before this migration have the table already.
-- Equal refusals that follow each other closely are one row: count says how many, last_at when the last one was.
-- tx is the transaction that wrote the row last; a watcher of the audit uses it to find what was committed since.
create table if not exists audit_events (
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
  count integer not null default 1,
  last_at timestamptz,
  tx xid8 not null default pg_current_xact_id(),
  constraint audit_events_outcome_known check (outcome in ('ok', 'refused')),
  constraint audit_events_count_positive check (count > 0)
);
create index if not exists audit_events_by_time on audit_events (at, id);
create index if not exists audit_events_by_token on audit_events (token_id, at, id) where token_id is not null;
create index if not exists audit_events_by_node on audit_events (node_id, at, id) where node_id is not null;
create index if not exists audit_events_by_tx on audit_events (tx, id);

-- Adds an event and returns its id. A statement that changes something records the change by calling this, so both are
-- committed or neither. Call it by parameter names and in the last part of the statement: Postgres skips a select in a CTE
-- that nothing reads. PL/pgSQL, because it keeps the plan of the insert.
create function record_audit(
  action text,
  actor text,
  remote_address text default null,
  outcome text default 'ok',
  reason text default null,
  token_id text default null,
  node_id uuid default null,
  details jsonb default '{}',
  at timestamptz default now(),
  count integer default 1,
  last_at timestamptz default null)
returns bigint
language plpgsql
as $$
declare
  new_id bigint;
begin
  insert into audit_events (at, action, actor, remote_address, outcome, reason, token_id, node_id, details, count, last_at)
  values (at, action, actor, remote_address, outcome, reason, token_id, node_id, details, count, last_at)
  returning audit_events.id into new_id;
  return new_id;
end
$$;
