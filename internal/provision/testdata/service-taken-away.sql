-- schema: make schema tenant_client_x as declared
set local role "p_tenantctl_admin";
revoke usage on schema "tenant_client_x" from "p_t_client_x__core" cascade;
-- grants: make privileges on what p_tenantctl_owner__core owns as declared
set local role "p_tenantctl_owner__core";
revoke select, insert, update, delete on table tenant_client_x.orders, tenant_client_x.totals from "p_t_client_x__core" cascade;
-- members: let the logins of the tenant's cell in, and nobody else
set local role "p_tenantctl_admin";
revoke "p_t_client_x__core" from "p_tenantctl_c1__core";
