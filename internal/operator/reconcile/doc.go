// Package reconcile compares what tenants.yaml declares of each tenant with what is recorded and seen of it, and brings it about:
// what plan shows, apply does once and the operator does for good is decided here, and nowhere else.
package reconcile
