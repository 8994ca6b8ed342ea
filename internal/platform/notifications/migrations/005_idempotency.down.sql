drop table notifications_idempotency;
