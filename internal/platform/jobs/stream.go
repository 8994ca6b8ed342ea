package jobs

import (
	"embed"

	"tenantctl/internal/stream"
)

// Service is the name of the stream, and of the schema on each instance.
const Service = "jobs"

//go:embed migrations/*.sql
var migrations embed.FS

// Stream reads the schema migrations. They are applied once on each instance.
func Stream() (*stream.Stream, error) {
	s, err := stream.ReadEmbedded(Service, migrations)
	if err == nil {
		s.Scope = stream.PerInstance
	}
	return s, err
}
