-- $1 id, $2 epoch, $3 epochs that drain, $4 seconds for which a heartbeat counts
with beat as (
    insert into tenantctl.gateway (id, seen_epoch, draining) values ($1, $2, $3)
    on conflict (id) do update set seen_epoch = excluded.seen_epoch, draining = excluded.draining, heartbeat = now()
    returning id
)
select (select count(*) from beat)
    + (select count(*) from tenantctl.gateway where id <> $1 and heartbeat > now() - make_interval(secs => $4))
