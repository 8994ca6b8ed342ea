-- $1 tenant, $2 kind, $3 value, $4 actor, $5 reason
with kept as (
    insert into tenantctl.override (tenant, kind, value, actor, reason) values ($1, $2, $3, $4, $5)
    on conflict (tenant, kind) do update set value = excluded.value, actor = excluded.actor, reason = excluded.reason, at = now()
)
insert into tenantctl.event (type, tenant, actor, message, data)
values ('tenant.overridden', $1, $4, concat_ws(': ', $2 || '=' || $3, nullif($5, '')),
    jsonb_build_object('kind', $2::text, 'value', $3::text, 'reason', $5::text))
