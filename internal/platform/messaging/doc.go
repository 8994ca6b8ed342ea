// Package messaging is the platform's service of conversations between a tenant's users. Only who takes part sees one. What is said
// reaches the open streams of all replicas, in one order and without a gap, also for who comes back after a while.
package messaging
