// Package preflight looks at the data of every tenant before a rollout begins, for what its files would stumble over: NULLs
// before NOT NULL, duplicates before UNIQUE, orphans before a foreign key, rows that break a check or can't be cast, and tables
// that are large where one is to be rewritten.
//
// Statements are recognized by their tokens. What isn't recognized is not asked about, and what an earlier file of the same
// rollout may mend is only warned of: no tenant is accused wrongly. The questions only read, in the hands of the role that
// would run the file, and none is asked where no statement is risky.
package preflight
