// Package migrate moves a legacy database into its tenant's schema of a shared instance, proves that every row arrived, and can be
// killed anywhere and run again.
//
// A Move is a list of journalled steps over the rooms below: inspect (what is there and what could break), lift and mapping (what
// becomes of it), ddl (definitions, loaded exactly once), copy (rows), verify (the proof), cutover (the fence). Marks of what
// has arrived live on the shared instance and commit with what they mark.
package migrate
