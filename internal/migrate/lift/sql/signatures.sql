-- The overloads of every function of which one takes an object by its name (regclass, regconfig, regdictionary ...): how many arguments at
-- least and at most, and which of them are names. The few are found before what each of their arguments is.
with names as materialized (
	select array(select oid from pg_type where typname like 'reg%' and typname <> 'regrole') as types
), takes as materialized (
	select distinct p.proname from pg_proc p, names where p.prokind in ('f', 'p') and p.proargtypes::oid[] && names.types
)
select p.proname, p.pronargs - p.pronargdefaults as least, p.pronargs as most,
    array(select a.type = any (names.types) from unnest(p.proargtypes) with ordinality a (type, at) order by a.at) as named
from takes join pg_proc p using (proname), names
where p.pronargs > 0 and p.prokind in ('f', 'p')
order by p.oid
