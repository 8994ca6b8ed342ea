-- The overloads of every function of which one takes an object by its name (regclass, regconfig, regdictionary ...): how many arguments at
-- least and at most, and which of them are names.
with takes as (
	select p.oid, p.proname, p.pronargs - p.pronargdefaults as least, p.pronargs as most,
	    array(select t.typname like 'reg%' and t.typname <> 'regrole' from unnest(p.proargtypes) with ordinality a (type, at) join pg_type t on t.oid = a.type order by a.at) as named
	from pg_proc p
	where p.prokind in ('f', 'p')
)
select proname, least, most, named from takes
where most > 0 and proname in (select proname from takes where true = any (named))
order by oid
