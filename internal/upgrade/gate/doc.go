// Package gate judges the waves of a rollout: by what the instances show (locks, replication, transactions, indexes), by what
// Prometheus knows of the requests of upgraded tenants and of the others, and by asking a service of the user's own.
//
// A gate passes, fails or can't tell. What can't be seen never passes: a privilege that is missing, a server that doesn't answer
// and a version without requests are each inconclusive, with what to do about it.
package gate
