-- $1 schemas: tables, views, sequences and their columns. Each row is an object with what it is made of as facts; what is as
-- usual is left out. The way in is what depends on the schema, for which there is an index: it costs what is in these schemas.
with member as materialized (
    select n.nspname, d.objid
    from pg_namespace n
    join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.refobjsubid = 0 and d.deptype = 'n'
    where n.nspname = any($1) and d.classid = 'pg_class'::regclass
), relation as materialized (
    select m.nspname, c.oid, c.relname, c.relkind, c.relowner, c.relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
           c.relreplident, c.reloptions, c.relam, c.reltablespace, c.reloftype, c.relpartbound
    from member m
    join pg_class c on c.oid = m.objid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 and e.deptype = 'e')
)
select r.nspname::text as schema,
       case r.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence' else 'table' end as kind,
       r.relname::text as name, '' as parent, r.relowner as owner,
       jsonb_strip_nulls(jsonb_build_object(
           'persistence', case r.relpersistence when 'u' then 'unlogged' end,
           'partitioned by', case r.relkind when 'p' then pg_get_partkeydef(r.oid) end,
           'partition', case when r.relispartition then pg_get_expr(r.relpartbound, r.oid) end,
           'inherits', (select string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno) from pg_inherits i where i.inhrelid = r.oid),
           'of type', case when r.reloftype <> 0 then format_type(r.reloftype, null) end,
           'row security', case when r.relrowsecurity then 'enabled' end,
           'row security of the owner', case when r.relforcerowsecurity then 'forced' end,
           'replica identity', case when r.relkind in ('r', 'p', 'm') then nullif(r.relreplident, 'd') end,
           'options', (select string_agg(o, ', ' order by o) from unnest(r.reloptions) o),
           'access method', (select a.amname from pg_am a where a.oid = r.relam and a.amname <> 'heap'),
           'tablespace', (select t.spcname from pg_tablespace t where t.oid = r.reltablespace),
           'server', (select s.srvname || coalesce(' (' || array_to_string(f.ftoptions, ', ') || ')', '')
                      from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver where r.relkind = 'f' and f.ftrelid = r.oid),
           'definition', case when r.relkind in ('v', 'm') then pg_get_viewdef(r.oid) end,
           'sequence', (select format('%s from %s by %s within %s and %s, cache %s%s', format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax,
                            q.seqcache, case when q.seqcycle then ', cycle' else '' end) from pg_sequence q where r.relkind = 'S' and q.seqrelid = r.oid),
           'owned by', (select format('%s.%I', d.refobjid::regclass, a.attname)
                        from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                        where r.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = r.oid and d.objsubid = 0
                          and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')),
           'comment', (select y.description from pg_description y where y.objoid = r.oid and y.classoid = 'pg_class'::regclass and y.objsubid = 0)
       )) as facts
from relation r
union all
select r.nspname, 'column', format('%I.%I', r.relname, a.attname), r.relname, r.relowner,
       jsonb_strip_nulls(jsonb_build_object(
           'type', case when r.relkind not in ('v', 'm') then format_type(a.atttypid, a.atttypmod) end,
           'not null', case when a.attnotnull then 'yes' end,
           'default', case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
           'generated', case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end,
           'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
           'collation', case when r.relkind not in ('v', 'm') and a.attcollation <> t.typcollation and a.attcollation <> 0 then a.attcollation::regcollation::text end,
           'storage', case when r.relkind not in ('v', 'm') then nullif(a.attstorage, t.typstorage) end,
           'statistics target', nullif(a.attstattarget, -1)::text,
           'options', array_to_string(a.attoptions, ', '),
           'comment', (select y.description from pg_description y where y.objoid = r.oid and y.classoid = 'pg_class'::regclass and y.objsubid = a.attnum)
       ))
from relation r
join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum and a.atthasdef
where r.relkind <> 'S' and (r.relkind not in ('v', 'm') or a.atthasdef
    or exists (select from pg_description c where c.objoid = r.oid and c.classoid = 'pg_class'::regclass and c.objsubid = a.attnum))
