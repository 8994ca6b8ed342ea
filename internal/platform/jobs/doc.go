// Package jobs does long work for tenants so that none of them waits for another: monthly statements, exports, bulk mail.
//
// A job is a row of the instance's queue, written in the tenant's own transaction (Submit): it is there if, and only if, that
// transaction was committed. Its tenant is the role of the transaction, which row security checks; no job is without one, and its
// handler gets transactions of that tenant only.
//
// The backlog waits in PostgreSQL, where it can be put in order: self-clocked fair queueing. Each tenant's jobs stand in line
// behind one another, each as far as its cost by the tenant's weight, and a tenant that comes anew begins where the line stands
// now: neither behind the flood of another, nor with credit for the time in which it asked for nothing. Of each tenant only the
// next few are in line and the rest lie behind it, so that the line is as long as there are tenants at work, however many jobs
// they have. No tenant has more of them running than its limit. Short jobs always find a slot that long ones can't take, and a
// long one gives way at its checkpoints when others wait.
//
// A Worker takes jobs under a lease. An attempt that lost its lease can't complete: what a job does and that it is done commit
// together (Task.Complete), under the attempt's number.
package jobs
