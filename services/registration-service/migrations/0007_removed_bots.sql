-- Up Migration

-- When an instance of a bot was removed. Its row and its keys stay for a day, without joined_at, so that its first key
-- cannot repeat the spend of its token and with it the join.
alter table bots add column removed_at timestamptz;
