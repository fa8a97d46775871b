-- Up Migration

-- Equal refusals that follow each other closely are one row: how many, the last of them at last_at.
-- tx is the transaction that wrote the row last; whoever follows the audit finds by it what was committed since.
alter table audit_events
  add column count integer not null default 1,
  add column last_at timestamptz,
  add column tx xid8 not null default pg_current_xact_id(),
  add constraint audit_events_count_positive check (count > 0);

create index audit_events_by_time on audit_events (at, id);
create index audit_events_by_token on audit_events (token_id, at, id) where token_id is not null;
create index audit_events_by_node on audit_events (node_id, at, id) where node_id is not null;
create index audit_events_by_tx on audit_events (tx, id);
