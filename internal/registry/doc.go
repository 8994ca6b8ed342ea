// Package registry keeps the program's own records: which tenants there are and how they stand, which operation is at which step,
// who holds the lease of what, where a tenant's traffic goes, and what happened.
//
// The records live in schema tenantctl of the control database. A change and its event are one transaction, in most cases one
// statement. Next to them, on every instance, schema tenantctl_instance keeps what must commit together with a tenant's rows:
// the lease's token, which keeps a runner that lost its lease from writing, and the marks of what was copied.
//
// Connections to the control database must be direct ones: leases and listening are tied to sessions, which a pooler in
// transaction mode gives away.
package registry
