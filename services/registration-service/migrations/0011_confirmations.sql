-- Up Migration

-- Of the last certificate of each member: which authority of its type signed it, and the version of the trust bundle that came
-- with it. A rotation waits for members that have the certificate and the bundle of its phase.
alter table nodes
  add column certificate_authority integer not null default 1,
  add column trust_version integer not null default 0,
  -- As of the last hello: the certificate that the node presented, and the version of the bundle that it uses.
  add column confirmed_serial text,
  add column confirmed_trust_version integer not null default 0;
alter table bots
  add column certificate_authority integer not null default 1,
  add column trust_version integer not null default 0;
alter table users
  add column certificate_authority integer not null default 1,
  add column trust_version integer not null default 0;
