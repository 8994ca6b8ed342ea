drop table users_idempotency;
