-- Up Migration

-- When a node was taken off the roll. Its row stays for a day, without joined_at, so that its key cannot repeat the spend
-- of its token and with it the join.
alter table nodes add column removed_at timestamptz;

-- Those that are not on the roll, by how long they have not been.
create index nodes_off_the_roll on nodes (coalesce(removed_at, created_at)) where joined_at is null;
drop index nodes_unfinished;
