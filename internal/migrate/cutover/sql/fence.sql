-- Puts the fence up. Runs in the transaction that holds SHARE ROW EXCLUSIVE on every table.
create schema tenantctl_fence;
create table tenantctl_fence.fence (
	operation text not null,
	tenant text not null,
	set_at timestamptz not null default clock_timestamp(),
	previous_read_only text -- the database's own setting, put back at release; null: it had none
);
revoke all on schema tenantctl_fence from public;
grant usage on schema tenantctl_fence to public;
create function tenantctl_fence.refuse() returns trigger language plpgsql as $refuse$
begin
	raise exception 'writes are stopped: this database is being moved to the shared platform'
		using errcode = 'read_only_sql_transaction', hint = 'Try again in a moment; the application is being switched over.';
end
$refuse$;
