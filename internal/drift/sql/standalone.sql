-- $1 schemas: routines, types and the rarer kinds of objects.
with member as materialized (
    select n.nspname, d.classid, d.objid
    from pg_namespace n
    join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.refobjsubid = 0 and d.deptype = 'n'
    where n.nspname = any($1) and d.classid <> 'pg_class'::regclass
      and not exists (select from pg_depend e where e.classid = d.classid and e.objid = d.objid and e.objsubid = 0 and e.deptype in ('e', 'i'))
), routine as materialized (
    select m.nspname, p.oid, p.proowner, p.prokind, p.proname,
           format('%I(%s)', p.proname, (select string_agg(format_type(t, null), ', ' order by i) from unnest(p.proargtypes) with ordinality as u (t, i))) as name
    from member m
    join pg_proc p on p.oid = m.objid
    where m.classid = 'pg_proc'::regclass
), type as materialized (
    select m.nspname, t.oid, t.typname, t.typowner, t.typtype, t.typrelid, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefault, t.typcollation, t.typinput, t.typoutput
    from member m
    join pg_type t on t.oid = m.objid
    where m.classid = 'pg_type'::regclass and t.typtype in ('b', 'c', 'd', 'e', 'r')
)
select r.nspname::text as schema, case r.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind, r.name, '' as parent, r.proowner as owner,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', case when r.prokind <> 'a' then pg_get_functiondef(r.oid) end,
           'aggregate', (select format('%s over %s, state %s%s%s%s', a.aggtransfn::regprocedure, a.aggkind, format_type(a.aggtranstype, null),
                             ' final ' || nullif(a.aggfinalfn, 0)::regprocedure, ' combine ' || nullif(a.aggcombinefn, 0)::regprocedure, ' from ' || a.agginitval)
                         from pg_aggregate a where r.prokind = 'a' and a.aggfnoid = r.oid),
           'comment', (select y.description from pg_description y where y.objoid = r.oid and y.classoid = 'pg_proc'::regclass and y.objsubid = 0)
       )) as facts
from routine r
union all
select t.nspname, case t.typtype when 'd' then 'domain' else 'type' end, t.typname, '', t.typowner,
       jsonb_strip_nulls(jsonb_build_object(
           'labels', (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where t.typtype = 'e' and e.enumtypid = t.oid),
           'attributes', (select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod), ' collate ' || nullif(nullif(a.attcollation, y.typcollation), 0)::regcollation), ', ' order by a.attname)
                          from pg_attribute a join pg_type y on y.oid = a.atttypid
                          where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
           'base', case t.typtype when 'd' then format_type(t.typbasetype, t.typtypmod) end,
           'not null', case when t.typnotnull then 'yes' end,
           'default', t.typdefault,
           'collation', (select t.typcollation::regcollation::text from pg_type y where t.typtype = 'd' and y.oid = t.typbasetype and y.typcollation <> t.typcollation),
           'range', (select format('of %s, %s%s%s', format_type(g.rngsubtype, null), o.opcname, ', difference ' || nullif(g.rngsubdiff, 0)::regproc, ', canonical ' || nullif(g.rngcanonical, 0)::regproc)
                     from pg_range g join pg_opclass o on o.oid = g.rngsubopc where t.typtype = 'r' and g.rngtypid = t.oid),
           'input', case t.typtype when 'b' then t.typinput::regproc::text end,
           'output', case t.typtype when 'b' then t.typoutput::regproc::text end,
           'comment', (select y.description from pg_description y where y.objoid = t.oid and y.classoid = 'pg_type'::regclass and y.objsubid = 0)
       ))
from type t
union all
select t.nspname, 'constraint', format('%I.%I', t.typname, k.conname), t.typname, t.typowner,
       jsonb_strip_nulls(jsonb_build_object(
           'type', 'check of a domain',
           'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
           'validity', case when not k.convalidated then 'not validated' end,
           'comment', (select y.description from pg_description y where y.objoid = k.oid and y.classoid = 'pg_constraint'::regclass and y.objsubid = 0)
       ))
from type t
join pg_constraint k on k.contypid = t.oid and k.contype = 'c'
where t.typtype = 'd'
union all
select m.nspname, 'statistics', s.stxname, '', s.stxowner,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', pg_get_statisticsobjdef(s.oid), 'target', nullif(s.stxstattarget, -1)::text, 'comment', (select y.description from pg_description y where y.objoid = s.oid and y.classoid = 'pg_statistic_ext'::regclass and y.objsubid = 0)))
from member m join pg_statistic_ext s on s.oid = m.objid where m.classid = 'pg_statistic_ext'::regclass
union all
select m.nspname, 'collation', c.collname, '', c.collowner,
       jsonb_build_object('definition', (to_jsonb(c) - '{oid,collname,collnamespace,collowner,collversion,collencoding}'::text[])::text)
from member m join pg_collation c on c.oid = m.objid where m.classid = 'pg_collation'::regclass
union all
select m.nspname, 'conversion', c.conname, '', c.conowner,
       jsonb_build_object('definition', format('%s to %s by %s%s', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc, case when c.condefault then ', default' else '' end))
from member m join pg_conversion c on c.oid = m.objid where m.classid = 'pg_conversion'::regclass
union all
select m.nspname, 'operator', format('%s (%s, %s)', o.oprname, case o.oprleft when 0 then 'none' else format_type(o.oprleft, null) end, format_type(o.oprright, null)), '', o.oprowner,
       jsonb_build_object('definition', format('%s by %s%s%s%s%s%s%s', format_type(o.oprresult, null), o.oprcode, ', commutator ' || nullif(o.oprcom, 0)::regoperator, ', negator ' || nullif(o.oprnegate, 0)::regoperator,
           ', restrict ' || nullif(o.oprrest, 0)::regproc, ', join ' || nullif(o.oprjoin, 0)::regproc, case when o.oprcanhash then ', hashes' end, case when o.oprcanmerge then ', merges' end))
from member m join pg_operator o on o.oid = m.objid where m.classid = 'pg_operator'::regclass
union all
select m.nspname, 'operator class', format('%I using %I', o.opcname, a.amname), '', o.opcowner,
       jsonb_build_object('definition', format('%s in family %s%s%s', format_type(o.opcintype, null), f.opfname, case when o.opcdefault then ', default' end, ', stores ' || format_type(nullif(o.opckeytype, 0), null)))
from member m
join pg_opclass o on o.oid = m.objid
join pg_am a on a.oid = o.opcmethod
join pg_opfamily f on f.oid = o.opcfamily
where m.classid = 'pg_opclass'::regclass
union all
select m.nspname, 'operator family', format('%I using %I', f.opfname, a.amname), '', f.opfowner,
       jsonb_strip_nulls(jsonb_build_object(
           'operators', (select string_agg(format('%s %s', p.amopstrategy, p.amopopr::regoperator), ', ' order by p.amoplefttype, p.amoprighttype, p.amopstrategy) from pg_amop p where p.amopfamily = f.oid),
           'functions', (select string_agg(format('%s %s', p.amprocnum, p.amproc::regprocedure), ', ' order by p.amproclefttype, p.amprocrighttype, p.amprocnum) from pg_amproc p where p.amprocfamily = f.oid)))
from member m join pg_opfamily f on f.oid = m.objid join pg_am a on a.oid = f.opfmethod where m.classid = 'pg_opfamily'::regclass
union all
select m.nspname, 'text search configuration', c.cfgname, '', c.cfgowner,
       jsonb_strip_nulls(jsonb_build_object('parser', p.prsname,
           'mapping', (select string_agg(format('%s %s', t.maptokentype, t.mapdict::regdictionary), ', ' order by t.maptokentype, t.mapseqno) from pg_ts_config_map t where t.mapcfg = c.oid)))
from member m join pg_ts_config c on c.oid = m.objid join pg_ts_parser p on p.oid = c.cfgparser where m.classid = 'pg_ts_config'::regclass
union all
select m.nspname, 'text search dictionary', d.dictname, '', d.dictowner,
       jsonb_strip_nulls(jsonb_build_object('template', t.tmplname, 'options', d.dictinitoption))
from member m join pg_ts_dict d on d.oid = m.objid join pg_ts_template t on t.oid = d.dicttemplate where m.classid = 'pg_ts_dict'::regclass
