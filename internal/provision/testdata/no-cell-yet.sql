-- roles: make the tenant's roles as declared
set local role "p_tenantctl_admin";
create role "p_t_client_x__core" nologin in role "p_tenantctl_tenants";
comment on role "p_t_client_x__core" is 'tenantctl:ctl:client-x';
-- schema: make schema tenant_client_x as declared
set local role "p_tenantctl_admin";
create schema "tenant_client_x";
comment on schema "tenant_client_x" is 'tenantctl:ctl:client-x';
grant usage on schema "tenant_client_x" to "p_t_client_x__core";
grant usage, create on schema "tenant_client_x" to "p_tenantctl_owner__core";
-- objects: make the objects of core
-- the objects of core;
-- members: let the logins of the tenant's cell in, and nobody else
set local role "p_tenantctl_admin";
grant "p_t_client_x__core" to "p_tenantctl_CELL__core";
