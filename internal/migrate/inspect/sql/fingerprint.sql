-- One hash over everything that DDL changes: definitions, without statistics, storage, positions of sequences, comments,
-- owners and grants. What a fence of ours adds is left out. Raw catalog columns are hashed, OIDs included, since the pretty
-- forms cost many times more and the two moments compared are of one database.
with space as (
    select oid, nspname from pg_namespace
    where left(nspname, 3) <> 'pg_' and nspname not in ('information_schema', 'tenantctl_fence')
), relation as (
    select c.* from pg_class c join space on space.oid = c.relnamespace where c.relpersistence <> 't'
), definition (line) as (
    select row('schema', s.oid, s.nspname)::text from space s
    union all
    select row('relation', c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.reltype, c.reloftype, c.relam, c.reltablespace, c.reloptions,
        c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispartition, c.relpartbound::text)::text
    from relation c where c.relkind <> 'i' and c.relkind <> 'I'
    union all
    -- The OID of an index isn't of its definition: REINDEX CONCURRENTLY gives another one.
    select row('index', c.relname, c.reloptions, i.indrelid, i.indnkeyatts, i.indisunique, i.indisprimary, i.indisexclusion, i.indimmediate,
        i.indisclustered, i.indisvalid, i.indisreplident, i.indkey, to_jsonb(i) -> 'indnullsnotdistinct', i.indcollation, i.indclass, i.indoption, i.indexprs::text, i.indpred::text)::text
    from relation c join pg_index i on i.indexrelid = c.oid
    union all
    select row('column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.attisdropped,
        a.attcollation, a.attstorage, a.attislocal, a.attinhcount, a.attoptions, a.attfdwoptions)::text
    from pg_attribute a join relation c on c.oid = a.attrelid where a.attnum > 0 and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
    union all
    select row('default', d.adrelid, d.adnum, d.adbin::text)::text
    from pg_attrdef d join relation c on c.oid = d.adrelid
    union all
    select row('constraint', k.oid, k.connamespace, k.conname, k.contype, k.condeferrable, k.condeferred, k.convalidated, k.conrelid, k.contypid, k.confrelid,
        k.confupdtype, k.confdeltype, k.confmatchtype, k.connoinherit, k.conkey, k.confkey, k.conexclop, k.conbin::text)::text
    from pg_constraint k join space on space.oid = k.connamespace
    union all
    select row('parent', h.inhrelid, h.inhparent, h.inhseqno)::text
    from pg_inherits h join relation c on c.oid = h.inhrelid where c.relkind not in ('i', 'I')
    union all
    select row('partition', p.partrelid, p.partstrat, p.partattrs, p.partclass, p.partcollation, p.partexprs::text)::text
    from pg_partitioned_table p join relation c on c.oid = p.partrelid
    union all
    select row('trigger', t.tgrelid, t.tgname, t.tgfoid, t.tgtype, t.tgenabled, t.tgconstrrelid, t.tgdeferrable, t.tginitdeferred, t.tgattr, t.tgargs,
        t.tgqual::text, t.tgoldtable, t.tgnewtable)::text
    from pg_trigger t join relation c on c.oid = t.tgrelid where t.tgname not like 'tenantctl\_fence%'
    union all
    select row('rule', r.ev_class, r.rulename, r.ev_type, r.ev_enabled, r.is_instead, r.ev_qual::text, r.ev_action::text)::text
    from pg_rewrite r join relation c on c.oid = r.ev_class
    union all
    select row('policy', p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles, p.polqual::text, p.polwithcheck::text)::text
    from pg_policy p join relation c on c.oid = p.polrelid
    union all
    select row('sequence', s.*)::text from pg_sequence s join relation c on c.oid = s.seqrelid
    union all
    select row('statistics', s.stxrelid, s.stxnamespace, s.stxname, s.stxkeys, s.stxkind, to_jsonb(s) -> 'stxexprs')::text
    from pg_statistic_ext s join relation c on c.oid = s.stxrelid
    union all
    select row('type', t.oid, t.typnamespace, t.typname, t.typtype, t.typlen, t.typcategory, t.typnotnull, t.typbasetype, t.typtypmod, t.typcollation, t.typdefault)::text
    from pg_type t join space on space.oid = t.typnamespace where t.typelem = 0
    union all
    select row('label', e.enumtypid, e.enumsortorder, e.enumlabel)::text
    from pg_enum e join pg_type t on t.oid = e.enumtypid join space on space.oid = t.typnamespace
    union all
    select row('range', r.rngtypid, r.rngsubtype, r.rngcollation, r.rngsubopc, r.rngcanonical::oid, r.rngsubdiff::oid)::text
    from pg_range r join pg_type t on t.oid = r.rngtypid join space on space.oid = t.typnamespace
    union all
    select row('function', p.oid, p.pronamespace, p.proname, p.prolang, p.prokind, p.prosecdef, p.proleakproof, p.proisstrict, p.proretset, p.provolatile,
        p.proparallel, p.prorettype, p.proargtypes, p.proallargtypes, p.proargmodes, p.proargnames, p.proargdefaults::text, p.prosrc, p.probin,
        to_jsonb(p) -> 'prosqlbody', p.proconfig)::text
    from pg_proc p join space on space.oid = p.pronamespace
    union all
    select row('aggregate', a.*)::text from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid join space on space.oid = p.pronamespace
    union all
    select row('operator', o.oid, o.oprnamespace, o.oprname, o.oprleft, o.oprright, o.oprcode::oid, o.oprcom, o.oprnegate, o.oprcanmerge, o.oprcanhash)::text
    from pg_operator o join space on space.oid = o.oprnamespace
    union all
    select row('operator class', o.oid, o.opcnamespace, o.opcname, o.opcfamily, o.opcintype, o.opcdefault)::text
    from pg_opclass o join space on space.oid = o.opcnamespace
    union all
    select row('collation', c.oid, c.collnamespace, c.collname, c.collprovider, c.collcollate, coalesce(to_jsonb(c) -> 'colllocale', to_jsonb(c) -> 'colliculocale'))::text
    from pg_collation c join space on space.oid = c.collnamespace
    union all
    select row('cast', c.castsource, c.casttarget, c.castfunc, c.castcontext, c.castmethod)::text from pg_cast c where c.oid >= 16384
    union all
    select row('text search configuration', c.oid, c.cfgnamespace, c.cfgname, c.cfgparser, array(
        select row(m.maptokentype, m.mapseqno, m.mapdict)::text from pg_ts_config_map m where m.mapcfg = c.oid order by m.maptokentype, m.mapseqno))::text
    from pg_ts_config c join space on space.oid = c.cfgnamespace
    union all
    select row('text search dictionary', d.oid, d.dictnamespace, d.dictname, d.dicttemplate, d.dictinitoption)::text
    from pg_ts_dict d join space on space.oid = d.dictnamespace
    union all
    select row('extension', e.extname, e.extversion, e.extnamespace)::text from pg_extension e
)
select md5(string_agg(md5(line), '' order by line collate "C")) from definition
