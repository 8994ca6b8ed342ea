// Package operator keeps a fleet as tenants.yaml declares it, for good and in several replicas.
//
// It works by levels: nothing depends on a message that might be lost. One replica leads, by a lease. It compares what is
// declared with what is recorded, now and then also with what is on the instances, and puts a job into a queue of the control
// database for each tenant that isn't as it should be. Every replica takes jobs. A job looks at its tenant anew, under the
// tenant's lease, and does what is to be done then, by the code of `plan` and `apply` (package reconcile). What came of it is
// recorded; what failed is tried again later, and what can't work isn't until its declaration changes.
//
// Who dies, dies: the lease goes with its session, and jobs of a replica that isn't heard of any more are given to the others.
package operator
