-- Up Migration

-- A person may have several signup tokens: registration-service knows which of them admits, and revokes the others. It
-- makes a token before it commits the change that needs it, so two admins who reset a person at once make two.
drop index tokens_signup;
create index tokens_by_user on tokens (user_name) where user_name is not null and revoked_at is null;
