-- $1 queue, $2 roles, $3 weights, $4 how many each may have running, $5 whether it may have any now. Who isn't among them is gone.
with gone as (
    update jobs.share as s set open = false where s.queue = $1 and s.open and s.role <> all ($2::text[])
)
insert into jobs.share as s (queue, role, weight, most, open)
select $1, * from unnest($2::text[], $3::float8[], $4::int[], $5::bool[])
on conflict (queue, role) do update set weight = excluded.weight, most = excluded.most, open = excluded.open
where (s.weight, s.most, s.open) is distinct from (excluded.weight, excluded.most, excluded.open)
