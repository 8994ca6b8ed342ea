drop table messaging_idempotency;
