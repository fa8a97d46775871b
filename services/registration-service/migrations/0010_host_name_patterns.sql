-- Up Migration

-- Patterns of the host names that a node may have, of the token that it joined by. Empty: any.
alter table nodes add column allow_hostnames text[] not null default '{}';
