-- members: let the logins of the tenant's cell in, and nobody else
set local role "p_tenantctl_admin";
revoke "p_t_client_x__core" from "p_tenantctl_c1__core";
