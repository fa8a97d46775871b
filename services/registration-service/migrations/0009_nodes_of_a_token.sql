-- Up Migration

-- The nodes of a token are listed newest first: a token may admit a whole fleet, and the newest are the ones of interest.
drop index nodes_by_token;
create index nodes_by_token on nodes (token_id, joined_at, id) where joined_at is not null;
