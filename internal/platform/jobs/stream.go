package jobs

import (
	"embed"
	"io/fs"

	"tenantctl/internal/stream"
)

// Service is the name of the stream, and of the schema on each instance.
const Service = "jobs"

//go:embed migrations/*.sql
var migrations embed.FS

// Stream reads the schema migrations. They are applied once on each instance.
func Stream() (*stream.Stream, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	s, err := stream.Read(Service, files)
	if err == nil {
		s.Scope = stream.PerInstance
	}
	return s, err
}
