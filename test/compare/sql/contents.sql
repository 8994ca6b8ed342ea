-- Every relation with rows, its columns by name, and what is special about its values.
with recursive holds (type, inner_type) as ( -- what values of a type hold inside
    select oid, oid from pg_catalog.pg_type
    union
    select h.type, x.inner_type
      from holds h
      join pg_catalog.pg_type t on t.oid = h.inner_type
      cross join lateral (
        select t.typelem where t.typelem <> 0 and t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
        union all select t.typbasetype where t.typtype = 'd'
        union all select rg.rngsubtype from pg_catalog.pg_range rg where t.oid in (rg.rngtypid, rg.rngmultitypid)
        union all select a.atttypid from pg_catalog.pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      ) x (inner_type)
), tree (relation, root) as ( -- the topmost partitioned table whose hash depends on OIDs, above each of its partitions
    select i.inhrelid, i.inhparent
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_partitioned_table p on p.partrelid = i.inhparent and p.partstrat = 'h'
     where exists (select from unnest(p.partattrs::smallint[]) k (attnum)
                     join pg_catalog.pg_attribute a on a.attrelid = p.partrelid and a.attnum = k.attnum
                     join holds h on h.type = a.atttypid
                     join pg_catalog.pg_type e on e.oid = h.inner_type and e.typtype = 'e')
    union
    select i.inhrelid, tree.root from tree join pg_catalog.pg_inherits i on i.inhparent = tree.relation
)
select n.nspname::text as schema, c.relname::text as name, quote_ident(c.relname) as quoted, c.relkind::text as kind,
       coalesce((select array_agg(a.attname::text order by a.attname collate "C") from pg_catalog.pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '{}') as columns,
       coalesce((select array_agg(a.attname::text order by a.attname collate "C") from pg_catalog.pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                    and exists (select from holds h join pg_catalog.pg_type t on t.oid = h.inner_type
                                 where h.type = a.atttypid and t.typname in ('regclass', 'regproc', 'regprocedure', 'regtype', 'regoper', 'regoperator',
                                       'regconfig', 'regdictionary', 'regnamespace', 'regcollation', 'regrole') and t.typnamespace = 'pg_catalog'::regnamespace)), '{}') as catalog_columns,
       coalesce((select max(root)::regclass::text from tree where relation = c.oid), '') as tree,
       case when c.relkind = 'm' then pg_get_viewdef(c.oid) else '' end as definition
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any($1) and (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated or c.oid in (select root from tree))
