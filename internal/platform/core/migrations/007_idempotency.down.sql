drop table core_idempotency;
