-- roles: make the tenant's roles as declared
set local role "p_tenantctl_admin";
create role "p_t_client_x__legacy" nologin in role "p_tenantctl_tenants";
comment on role "p_t_client_x__legacy" is 'tenantctl:ctl:client-x';
create role "p_t_client_x__owner" nologin in role "p_tenantctl_tenants";
comment on role "p_t_client_x__owner" is 'tenantctl:ctl:client-x';
grant "p_t_client_x__owner" to "p_tenantctl_admin";
alter default privileges for role "p_t_client_x__owner" revoke execute on functions from public;
-- schema: make schema tenant_client_x as declared
set local role "p_tenantctl_admin";
create schema "tenant_client_x";
comment on schema "tenant_client_x" is 'tenantctl:ctl:client-x';
grant usage on schema "tenant_client_x" to "p_t_client_x__legacy";
grant usage, create on schema "tenant_client_x" to "p_t_client_x__owner";
-- members: let the logins of the tenant's cell in, and nobody else
set local role "p_tenantctl_admin";
grant "p_t_client_x__legacy" to "p_tenantctl_c7__legacy";
