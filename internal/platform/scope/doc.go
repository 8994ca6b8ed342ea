// Package scope leads from a token to a tenant to a transaction: who asks, whose data that is, and a transaction that can reach
// no other's.
//
// The tenant comes from the verified token; before one exists, from the host. The transaction takes the tenant's role, search
// path and timeouts in the round trip that begins it, on a connection of the cell's pool, and leaves nothing on it: all of it
// ends with the transaction, and what ends the transaction proves it.
package scope
