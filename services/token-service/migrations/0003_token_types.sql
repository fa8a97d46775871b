-- Up Migration

-- join: admits nodes, made by an operator. signup: admits one person. static: admits nodes, stands in the configuration
-- of a replica, never expires; configured_at is when a replica last had it there.
alter table tokens
  add column type text not null default 'join',
  add column name text,
  add column user_name text,
  add column allow_cidrs text[] not null default '{}',
  add column allow_hostnames text[] not null default '{}',
  add column node_labels jsonb not null default '{}',
  add column configured_at timestamptz,
  add constraint tokens_type_known check (type in ('join', 'signup', 'static')),
  add constraint tokens_user_name check ((user_name is not null) = (type = 'signup')),
  add constraint tokens_configured_at check ((configured_at is not null) = (type = 'static')),
  add constraint tokens_static_never_expires check ((expires_at = 'infinity') = (type = 'static'));

-- A token that has ended gives its name up to the next that wants it.
create unique index tokens_name on tokens (name) where name is not null;
-- One signup token of a person works.
create unique index tokens_signup on tokens (user_name) where user_name is not null and revoked_at is null;
