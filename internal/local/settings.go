package local

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// settingsName is the file beside the data that postgresql.conf includes. It is written anew before each start.
const settingsName = "tenantctl.conf"

// defaultSettings suit development and tests. A lift locks every table of a schema in one transaction: hence the lock table. A
// session of a service meets the tables and indexes of all tenants of its cell, each a file: hence as many of them open.
func defaultSettings() map[string]string {
	return map[string]string{
		"wal_level":                 "logical",
		"max_connections":           "200",
		"max_locks_per_transaction": "256",
		"max_files_per_process":     "8000",
		"max_prepared_transactions": "10",
		"max_wal_senders":           "20",
		"max_replication_slots":     "20",
		"shared_buffers":            "128MB",
		"max_wal_size":              "2GB",
		"password_encryption":       "scram-sha-256",
		"log_line_prefix":           "%m [%p] %q%u@%d %a ",
		"timezone":                  "UTC",
		"log_timezone":              "UTC",
		"lc_messages":               "C",
		"cluster_name":              "tenantctl",
	}
}

// writeSettings writes what the next start reads.
func (p *Postgres) writeSettings() error {
	settings := defaultSettings()
	maps.Copy(settings, p.settings)
	settings["listen_addresses"] = "127.0.0.1"
	settings["port"] = strconv.Itoa(p.Port)
	settings["unix_socket_directories"] = p.SocketDir
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	path := filepath.Join(p.dir, settingsName)
	//nolint:gosec // the server, another user than root, reads it; it holds no secret and lies in a private folder
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write server settings: %w", err)
	}
	return nil
}
