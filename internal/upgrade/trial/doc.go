// Package trial runs the files that a cohort of tenants has before it on one of them, in one transaction that is always rolled
// back, and tells what they really did: the locks they took on tables that were there before, the tables they wrote anew or read
// through, and the time of each statement. From that and the sizes of the other tenants' tables it estimates the whole.
//
// A rollback takes back everything but values that sequences gave out, which are reported. Files that do more than a rollback can
// take back, or that can't be in a transaction, are not tried, and the report says so. While the trial lasts, its locks are as
// real as an upgrade's: a tenant that is in service is given back after a short time, whatever is left to try.
package trial
