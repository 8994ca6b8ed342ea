// Package lift carries a legacy schema as it is into the tenant's schemas. PostgreSQL itself renames: the schema is restored
// into a scratch database, every object is moved to the tenant's schema there, and the result is dumped again. What
// PostgreSQL can't rename, the references held as text, is rewritten token by token and reported.
package lift
