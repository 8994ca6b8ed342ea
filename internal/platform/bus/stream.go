package bus

import (
	"embed"

	"tenantctl/internal/stream"
)

// Service is the name of the stream, and of the schema on each instance.
const Service = "bus"

//go:embed migrations/*.sql
var migrations embed.FS

// Stream reads the bus's schema migrations. They are applied once on each instance.
func Stream() (*stream.Stream, error) {
	s, err := stream.ReadEmbedded(Service, migrations)
	if err == nil {
		s.Scope = stream.PerInstance
	}
	return s, err
}
