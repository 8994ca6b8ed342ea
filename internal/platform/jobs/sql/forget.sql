-- $1 queue. Of a tenant whose role was dropped nothing is kept: what waits is never done, and what it made is nobody's.
with nobody as (
    delete from jobs.share as s where s.queue = $1 and not s.open and not exists (select from pg_catalog.pg_roles as r where r.rolname = s.role) returning s.role
)
delete from jobs.job as j using nobody as n where j.queue = $1 and j.role = n.role
