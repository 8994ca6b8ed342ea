-- $1 schemas: what hangs on their relations: indexes, constraints, triggers, rules, policies.
with member as materialized (
    select n.nspname, d.objid
    from pg_namespace n
    join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.refobjsubid = 0 and d.deptype = 'n'
    where n.nspname = any($1) and d.classid = 'pg_class'::regclass
), relation as materialized (
    select m.nspname, c.oid, c.relname, c.relowner, c.relkind
    from member m
    join pg_class c on c.oid = m.objid
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
      and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 and e.deptype = 'e')
)
-- The index of a constraint is the constraint's.
select r.nspname::text as schema, 'index' as kind, c.relname::text as name, r.relname::text as parent, r.relowner as owner,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', pg_get_indexdef(i.indexrelid),
           'validity', case when not i.indisvalid or not i.indisready then 'invalid' end,
           'clustered', case when i.indisclustered then 'yes' end,
           'replica identity', case when i.indisreplident then 'yes' end,
           'tablespace', (select t.spcname from pg_tablespace t where t.oid = c.reltablespace),
           'partitioned', case c.relkind when 'I' then 'yes' end,
           'of partition', case when c.relispartition then 'yes' end,
           'comment', (select y.description from pg_description y where y.objoid = c.oid and y.classoid = 'pg_class'::regclass and y.objsubid = 0)
       )) as facts
from relation r
join pg_index i on i.indrelid = r.oid
join pg_class c on c.oid = i.indexrelid
where not exists (select from pg_constraint k where k.conrelid = r.oid and k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
union all
-- A constraint that comes from a partitioned table's is that one's. What is not null is the column's.
select r.nspname, 'constraint', format('%I.%I', r.relname, k.conname), r.relname, r.relowner,
       jsonb_strip_nulls(jsonb_build_object(
           'type', case k.contype when 'c' then 'check' when 'f' then 'foreign key' when 'p' then 'primary key' when 'u' then 'unique' else 'exclude' end,
           'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
           'validity', case when not k.convalidated then 'not validated'
                            when exists (select from pg_index i where i.indexrelid = k.conindid and k.contype in ('p', 'u', 'x') and not i.indisvalid) then 'its index is invalid' end,
           'index', (select pg_get_indexdef(k.conindid) where k.contype in ('p', 'u')),
           'inherited', case when not k.conislocal then 'yes' end,
           'enforcement', case when k.contype = 'f' and exists (select from pg_trigger g where g.tgconstraint = k.oid and g.tgenabled <> 'O') then 'its triggers are disabled' end,
           'clustered', case when exists (select from pg_index i where i.indexrelid = k.conindid and k.contype in ('p', 'u', 'x') and i.indisclustered) then 'yes' end,
           'replica identity', case when exists (select from pg_index i where i.indexrelid = k.conindid and k.contype in ('p', 'u', 'x') and i.indisreplident) then 'yes' end,
           'comment', (select y.description from pg_description y where y.objoid = k.oid and y.classoid = 'pg_constraint'::regclass and y.objsubid = 0)
       ))
from relation r
join pg_constraint k on k.conrelid = r.oid and k.conparentid = 0 and k.contype in ('c', 'f', 'p', 'u', 'x')
union all
select r.nspname, 'trigger', format('%I.%I', r.relname, g.tgname), r.relname, r.relowner,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', pg_get_triggerdef(g.oid),
           'enabled', case g.tgenabled when 'D' then 'no' when 'R' then 'replica' when 'A' then 'always' end,
           'comment', (select y.description from pg_description y where y.objoid = g.oid and y.classoid = 'pg_trigger'::regclass and y.objsubid = 0)
       ))
from relation r
join pg_trigger g on g.tgrelid = r.oid
where not g.tgisinternal
union all
select r.nspname, 'rule', format('%I.%I', r.relname, w.rulename), r.relname, r.relowner,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', pg_get_ruledef(w.oid),
           'enabled', case w.ev_enabled when 'D' then 'no' when 'R' then 'replica' when 'A' then 'always' end,
           'comment', (select y.description from pg_description y where y.objoid = w.oid and y.classoid = 'pg_rewrite'::regclass and y.objsubid = 0)
       ))
from relation r
join pg_rewrite w on w.ev_class = r.oid and w.rulename <> '_RETURN'
union all
select r.nspname, 'policy', format('%I.%I', r.relname, p.polname), r.relname, r.relowner,
       jsonb_strip_nulls(jsonb_build_object(
           'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
           'restrictive', case when not p.polpermissive then 'yes' end,
           'roles', (select string_agg(case o when 0 then 'public' else pg_get_userbyid(o)::text end, ', ' order by o) from unnest(p.polroles) o),
           'using', pg_get_expr(p.polqual, p.polrelid),
           'check', pg_get_expr(p.polwithcheck, p.polrelid),
           'comment', (select y.description from pg_description y where y.objoid = p.oid and y.classoid = 'pg_policy'::regclass and y.objsubid = 0)
       ))
from relation r
join pg_policy p on p.polrelid = r.oid
