// Package drift compares each tenant's catalog with what its versions should come to: with a reference, a schema made from the
// streams' files at exactly these versions.
//
// Tenants that stand at the same versions are a cohort and share a reference. It is made in a throw-away schema on the instance
// that they live on, because only that server knows how it prints a definition, read, and dropped; what was read is kept beside
// the instance's own records. Equal differences of many tenants are told once, with how many share them.
//
// What the streams' owner roles own is compared, and nothing else: a lift, or a client's own table, is no drift. The order of
// columns isn't either, see docs/decisions.md.
package drift
