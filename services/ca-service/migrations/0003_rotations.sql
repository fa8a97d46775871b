-- Up Migration

-- A type may have several authorities: the one in use, the next during a rotation, and those that were retired.
alter table authorities
  drop constraint authorities_one_of_a_type,
  add column number integer not null default 1,
  add column retired_at timestamptz,
  add constraint authorities_number_of_type unique (type, number);

-- Where the rotation of each type stands. Each move is one conditional update on revision.
-- The versions of both types together are the version of the trust bundle, which only grows.
create table rotations (
  type text not null,
  phase text not null default 'standby',
  active_id bigint not null,
  next_id bigint,
  revision integer not null default 1,
  trust_version integer not null,
  is_automatic boolean not null default false,
  grace_ends_at timestamptz,
  halted text,
  started_at timestamptz,
  moved_at timestamptz,
  rotated_at timestamptz,
  constraint rotations_pkey primary key (type),
  constraint rotations_type_known check (type in ('host', 'user')),
  constraint rotations_phase_known check (phase in ('standby', 'init', 'update_clients', 'update_servers', 'rollback')),
  constraint rotations_next_during_rotation check ((next_id is null) = (phase = 'standby')),
  constraint rotations_active foreign key (active_id) references authorities (id),
  constraint rotations_next foreign key (next_id) references authorities (id)
);

-- A cluster that exists keeps the version of its trust bundle, which was the highest id.
insert into rotations (type, active_id, trust_version)
select type, id, case when id = (select max(id) from authorities) then id::int else 0 end
  from authorities;

-- The signature of one root over another: who trusts the signer may trust the root. During a rotation each vouches for the other.
create table root_vouchers (
  root_id bigint not null,
  signer_id bigint not null,
  signature bytea not null,
  constraint root_vouchers_pkey primary key (root_id, signer_id),
  constraint root_vouchers_root foreign key (root_id) references authorities (id),
  constraint root_vouchers_signer foreign key (signer_id) references authorities (id)
);
