-- Up Migration

-- The last certificate that the node has shown itself to have: before that, the reply with it may have been lost.
-- cloned_at: since when the node counts as cloned, and from where the signs came.
alter table nodes
  add column used_serial text,
  add column used_at timestamptz,
  add column cloned_at timestamptz,
  add column cloned_from text[];

-- Every certificate of a node that may still be shown. One that is not here was issued before the database was restored.
create table node_serials (
  node_id uuid not null,
  serial text not null,
  expires_at timestamptz not null,
  constraint node_serials_pkey primary key (node_id, serial)
);
create index node_serials_by_end on node_serials (expires_at);

insert into node_serials (node_id, serial, expires_at)
select id, serial, certificate_expires_at
  from nodes
 cross join lateral unnest(array[certificate_serial, previous_serial]) as serials (serial)
 where serial is not null
   and certificate_expires_at is not null
    on conflict on constraint node_serials_pkey do nothing;
