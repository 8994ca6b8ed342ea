-- nulls
with bad (k) as materialized (select concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60)) from "tenant_a"."or""ders" where "customer" is null limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- nulls
with bad (k) as materialized (select concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60)) from only "tenant_a"."or""ders" where "customer" is null or "v" is null limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- duplicates
with bad (k) as materialized (select k from (select "customer" as e1, lower(v) as e2, min(concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60))) || ' and ' || max(concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60))) as k from only "tenant_a"."or""ders" where ("customer") is not null and (lower(v)) is not null and (v <> '') group by 1, 2 having count(*) > 1) as d limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- duplicates
with bad (k) as materialized (select k from (select "v" as e1, min(concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60))) || ' and ' || max(concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60))) as k from only "tenant_a"."or""ders" group by 1 having count(*) > 1) as d limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- orphans
with bad (k) as materialized (select concat_ws(', ', 'id=' || left("child"."id"::text, 60)) from only "tenant_a"."or""ders" as child where "child"."customer" is not null and not exists (select from "tenant_a"."customers" as parent where "parent"."id" = "child"."customer") limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- broken
with bad (k) as materialized (select concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60)) from "tenant_a"."or""ders" where not (v <> '') limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- required
with bad (k) as materialized (select concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60)) from "tenant_a"."or""ders" where exists (select from pg_type where oid = to_regtype('text') and typdefault is null) limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- casts
select 0 * count("v"::int), '[]'::json from "tenant_a"."or""ders";

-- casts
with bad (k) as materialized (select concat_ws(', ', 'id=' || left("or""ders"."id"::text, 60)) from "tenant_a"."or""ders" where rtrim(substr("v"::text, 6), ' ') <> '' limit 10001) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit 5) s);

-- rewrite
select case when true then (select coalesce(sum(pg_total_relation_size(c)), 0) from (select '"tenant_a"."or""ders"'::regclass union select relid from pg_partition_tree('"tenant_a"."or""ders"')) as t (c)) else 0 end::bigint, '[]'::json;

-- rewrite
select case when (select coalesce(case
		when o.typtype = 'd' or n.typtype = 'd' then false
		when n.oid = o.oid and 8 = 0 then false
		when n.oid = o.oid and o.typname = 'varchar' then a.atttypmod < 0 or 8 < a.atttypmod - 4
		when n.oid = o.oid and o.typname = 'numeric' then a.atttypmod < 0 or (a.atttypmod - 4) & 2047 <> 2 or 8 < ((a.atttypmod - 4) >> 16) & 65535
		when n.oid = o.oid and format_type(a.atttypid, a.atttypmod) = lower('numeric(8,2)') then false
		when 8 = 0 and exists (select from pg_cast c where c.castsource = o.oid and c.casttarget = n.oid and c.castmethod = 'b') then false
		when o.typname = 'varchar' and n.typname = 'text' then false
		else true end, false)
		from pg_attribute a join pg_type o on o.oid = a.atttypid left join pg_type n on n.oid = to_regtype('numeric(8,2)')
		where a.attrelid = '"tenant_a"."or""ders"'::regclass and a.attname = 'v') then (select coalesce(sum(pg_total_relation_size(c)), 0) from (select '"tenant_a"."or""ders"'::regclass union select relid from pg_partition_tree('"tenant_a"."or""ders"')) as t (c)) else 0 end::bigint, '[]'::json;

-- rewrite
select case when exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.provolatile = 'v' and n.nspname = any (current_schemas(true)) and p.proname = any (array['f']::text[])) then (select coalesce(sum(pg_total_relation_size(c)), 0) from (select '"tenant_a"."or""ders"'::regclass union select relid from pg_partition_tree('"tenant_a"."or""ders"')) as t (c)) else 0 end::bigint, '[]'::json;

-- recount
do '#variable_conflict use_column
declare
  r record;
  n bigint := 0;
  samples text[] := ''{}'';
begin
  for r in select concat_ws('', '', ''id='' || left("or""ders"."id"::text, 60)) as k, "or""ders"."v" as v from "tenant_a"."or""ders" loop
    begin
      perform r.v::int;
    exception when data_exception or integrity_constraint_violation then
      n := n + 1;
      if r.k is not null and n <= 5 then
        samples := samples || r.k;
      end if;
      exit when n > 10000;
    end;
  end loop;
  perform set_config(''tenantctl.preflight_count'', n::text, true), set_config(''tenantctl.preflight_samples'', to_json(samples)::text, true);
end'; select current_setting('tenantctl.preflight_count')::bigint, current_setting('tenantctl.preflight_samples')::json;
