-- A foreign key to a partitioned table keeps one more row for each partition, under names of its own choice: those follow from the first.
select case when con.conrelid <> 0 then 'table' else 'domain' end as kind, n.nspname::text as schema,
       coalesce(quote_ident(c.relname), quote_ident(t.typname)) as name, 'constraint ' || quote_ident(con.conname) || ' ' || p.property as property, p.form, p.value
  from pg_catalog.pg_constraint con
  left join pg_catalog.pg_class c on c.oid = con.conrelid
  left join pg_catalog.pg_type t on t.oid = con.contypid
  join pg_catalog.pg_namespace n on n.oid = coalesce(c.relnamespace, t.typnamespace)
  left join pg_catalog.pg_constraint parent on parent.oid = con.conparentid
  cross join lateral (values
    ('definition', 'sql', pg_get_constraintdef(con.oid)),
    ('kind', 'plain', con.contype::text),
    ('validated', 'plain', con.convalidated::text),
    ('deferrable', 'plain', con.condeferrable || ' ' || con.condeferred),
    -- pg_dump makes a partition's key first and attaches it then, which leaves it local and not inherited: it means nothing for a key
    ('is local', 'plain', case when con.conparentid <> 0 and con.contype in ('p', 'u', 'x') then 'part ' || con.coninhcount
        else con.conislocal || ' ' || con.coninhcount || ' ' || con.connoinherit end),
    ('parent', 'sql', parent.conrelid::regclass || ' ' || parent.conname),
    ('index', 'sql', case when con.contype in ('p', 'u', 'x') then con.conindid::regclass::text end),
    ('enforced by triggers', 'plain', case when con.contype = 'f'
        then (select string_agg(distinct tg.tgenabled::text, '') from pg_catalog.pg_trigger tg where tg.tgconstraint = con.oid) end),
    ('comment', 'plain', obj_description(con.oid, 'pg_constraint'))
  ) p (property, form, value)
 where n.nspname = any($1) and con.contype <> 't' and not coalesce(con.contype = 'f' and parent.conrelid = con.conrelid, false)
   and not exists (select from pg_catalog.pg_depend d where d.deptype = 'e'
        and (d.classid, d.objid) in (('pg_catalog.pg_class'::regclass, con.conrelid), ('pg_catalog.pg_type'::regclass, con.contypid)))
