-- plpgsql is everywhere; $1 only tells an empty question: an extension is the whole database's. Members are listed without their schema.
select 'extension' as kind, '' as schema, quote_ident(e.extname) as name, p.property, p.form, p.value
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  cross join lateral (values
    ('version', 'plain', e.extversion),
    ('schema', 'extension schema', n.nspname::text),
    ('members', 'plain', (select md5(string_agg(m.what, ', ' order by m.what collate "C")) || ' (' || count(*) || ')'
                            from (select o.type || ' ' || regexp_replace(coalesce(o.name, o.identity), '\m\w+\.', '', 'g') as what
                                    from pg_catalog.pg_depend d cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) o
                                   where d.refclassid = 'pg_catalog.pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e') m))
  ) p (property, form, value)
 where e.extname <> 'plpgsql' and cardinality($1::text[]) > 0
