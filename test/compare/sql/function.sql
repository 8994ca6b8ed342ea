with own as (
    select f.*, n.nspname, case f.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind
      from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
     where n.nspname = any($1)
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e')
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = f.oid and d.deptype = 'i') -- constructors of ranges
)
select f.kind, f.nspname::text as schema, quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')' as name, p.property, p.form, p.value
  from own f
  join pg_catalog.pg_language l on l.oid = f.prolang
  cross join lateral (values
    ('language', 'plain', l.lanname::text),
    ('arguments', 'view', pg_get_function_arguments(f.oid)),
    ('result', 'sql', pg_get_function_result(f.oid)),
    ('behavior', 'plain', 'volatility ' || f.provolatile::text || ', strict ' || f.proisstrict || ', leakproof ' || f.proleakproof || ', security definer ' || f.prosecdef
        || ', parallel ' || f.proparallel::text || ', returns set ' || f.proretset || ', kind ' || f.prokind::text),
    ('cost', 'plain', f.procost || ' ' || f.prorows),
    ('support', 'sql', nullif(f.prosupport::text, '-')),
    ('transforms', 'sql', (select string_agg(x::regtype::text, ', ') from unnest(f.protrftypes) x)),
    ('body', 'body', case when f.prosqlbody is null and f.prokind <> 'a' then f.prosrc end),
    ('sql body', 'view', pg_get_function_sqlbody(f.oid)),
    ('library', 'plain', f.probin),
    ('comment', 'plain', obj_description(f.oid, 'pg_proc'))
  ) p (property, form, value)
union all
select f.kind, f.nspname::text, quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')', 'setting ' || split_part(s, '=', 1),
       case when split_part(s, '=', 1) = 'search_path' then 'path' else 'body' end, substr(s, strpos(s, '=') + 1)
  from own f cross join unnest(f.proconfig) s
union all
select f.kind, f.nspname::text, quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')', p.property, p.form, p.value
  from own f
  join pg_catalog.pg_aggregate a on a.aggfnoid = f.oid
  left join pg_catalog.pg_operator o on o.oid = a.aggsortop
  cross join lateral (values
    ('aggregate', 'sql', concat_ws(', ', a.aggkind, a.aggnumdirectargs, a.aggtransfn::text, a.aggfinalfn::text, a.aggcombinefn::text, a.aggserialfn::text, a.aggdeserialfn::text,
        a.aggfinalextra, a.aggfinalmodify, a.aggtranstype::regtype::text, a.aggtransspace)),
    ('moving aggregate', 'sql', concat_ws(', ', a.aggmtransfn::text, a.aggminvtransfn::text, a.aggmfinalfn::text, a.aggmfinalextra, a.aggmfinalmodify, a.aggmtransspace)),
    ('moving state', 'sql', case when a.aggmtranstype <> 0 then a.aggmtranstype::regtype::text end),
    ('initial value', 'plain', a.agginitval),
    ('initial moving value', 'plain', a.aggminitval),
    ('sort operator', 'sql', case when o.oid is not null then o.oid::regoperator::text end)
  ) p (property, form, value)
