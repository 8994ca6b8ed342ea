// Package provision makes a tenant's home on a shared PostgreSQL instance and keeps it as declared: the schema, a role for each
// service that may touch only what that service's stream made, explicit grants, and the membership of its cell's logins.
//
// It works by levels. What is there is observed, compared with what should be, and the difference is a Plan: Steps with their
// SQL, which people can read. Applying sends all of it as one message, one transaction on the instance. A second run finds
// nothing to do; a run after somebody revoked, granted or dropped something puts back what was declared.
//
// Who owns what, by name, where <p> is the instance's role prefix:
//
//	<p>tenantctl_admin         owns the schemas; administrators act as this role, so that any of them can do what another began
//	<p>tenantctl_owner__core   owns what the stream core makes, in every tenant's schema
//	<p>t_client_x__core        the tenant, as the service core sees it: DML on those objects and nothing else
//	<p>t_client_y__owner       owns what was lifted into the tenant's schema
//	<p>t_client_y__legacy      the tenant, as its old application sees it
//	<p>tenantctl_c1__core      the login of service core for the tenants of cell c1: may become any of them, is none
//	<p>tenantctl_tenants       what all tenants may use: shared extensions, the instance's own schema
//
// Roles belong to the whole server and schemas have any name, hence the mark: a comment that says which control database made
// the thing for which tenant. What has no mark of ours is never touched.
package provision
