-- roles: make the tenant's roles as declared
set local role "p_tenantctl_admin";
alter role "p_t_client_x__core" nologin nocreaterole nocreatedb;
grant "p_tenantctl_tenants" to "p_t_client_x__core";
revoke "neighbor" from "p_t_client_x__core";
-- grants: make privileges on what p_tenantctl_owner__core owns as declared
set local role "p_tenantctl_owner__core";
revoke select on table tenant_client_x.orders from public cascade;
grant insert, update, delete on table tenant_client_x.orders, tenant_client_x.totals to "p_t_client_x__core";
revoke truncate on table tenant_client_x.totals from "analyst" cascade;
-- members: let the logins of the tenant's cell in, and nobody else
set local role "p_tenantctl_admin";
revoke "p_t_client_x__core" from "guest";
grant "p_t_client_x__core" to "p_tenantctl_c1__core";
