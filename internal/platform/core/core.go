// Package core is the platform's service of customers, products, orders, order items and invoices.
package core

import (
	"embed"

	"tenantctl/internal/stream"
)

// Service is the name of the service and of its stream.
const Service = "core"

//go:embed migrations/*.sql
var migrations embed.FS

// Stream reads the service's schema migrations.
func Stream() (*stream.Stream, error) {
	return stream.ReadEmbedded(Service, migrations)
}
