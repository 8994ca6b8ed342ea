package upgrade

import "context"

// Hands says in whose hands the objects of a tenant's stream are: who owns them, along which path names are found, and the SQL
// that gives the tenant's role its privileges on what a file made.
type Hands struct {
	Role   string
	Path   []string
	Grants string
}

// Instance is a shared PostgreSQL database, as its administrator reaches it.
type Instance struct {
	Name string
	DSN  string
	// Prepare makes what the instance needs before a file is run there.
	Prepare func(ctx context.Context) error
	Hands   func(member Member, service string) (Hands, error)
}
