package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"tenantctl/internal/postgres"
)

// Superuser is the administrator of every private server.
const Superuser = "tenantctl"

// settingsFile is included at the end of postgresql.conf and written anew before each start.
const settingsFile = "tenantctl.conf"

// defaultSettings suit development and tests. A lift locks every table of a schema in one transaction: hence the lock table.
func defaultSettings() map[string]string {
	return map[string]string{
		"wal_level":                 "logical",
		"max_connections":           "200",
		"max_locks_per_transaction": "256",
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

// initialize makes a new data folder with the superuser and its password.
func initialize(ctx context.Context, tools postgres.Tools, owner account, dataDir, password string) error {
	passwordFile := filepath.Join(filepath.Dir(dataDir), "initdb-password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password for initdb: %w", err)
	}
	defer func() { _ = os.Remove(passwordFile) }()
	if err := owner.own(passwordFile); err != nil {
		return err
	}
	if err := owner.mkdir(dataDir); err != nil {
		return err
	}
	// C.UTF-8 sorts alike on every machine; a system that lacks it has C.
	out, err := initdb(ctx, tools, owner, dataDir, passwordFile, "C.UTF-8")
	if err != nil && bytes.Contains(out, []byte("invalid locale")) {
		out, err = initdb(ctx, tools, owner, dataDir, passwordFile, "C")
	}
	if err != nil {
		return fmt.Errorf("initdb in %s: %w: %s", dataDir, err, bytes.TrimSpace(out))
	}
	return includeSettings(dataDir)
}

func initdb(ctx context.Context, tools postgres.Tools, owner account, dataDir, passwordFile, locale string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(tools.Bin, "initdb"), "--pgdata="+dataDir, "--username="+Superuser,
		"--pwfile="+passwordFile, "--auth=scram-sha-256", "--encoding=UTF8", "--locale="+locale, "--no-sync", "--no-instructions")
	cmd.Dir = filepath.Dir(dataDir)
	cmd.Env = serverEnvironment(filepath.Dir(dataDir))
	cmd.SysProcAttr = owner.attributes()
	return cmd.CombinedOutput()
}

// includeSettings makes postgresql.conf read the settings file last.
func includeSettings(dataDir string) error {
	file, err := os.OpenFile(filepath.Join(dataDir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("extend server settings: %w", err)
	}
	_, err = fmt.Fprintf(file, "\ninclude_if_exists = '%s'\n", settingsFile)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("extend server settings: %w", err)
	}
	return nil
}

// writeSettings writes what the next start reads.
func (p *Postgres) writeSettings() error {
	settings := defaultSettings()
	for name, value := range p.settings {
		settings[name] = value
	}
	settings["listen_addresses"] = "127.0.0.1"
	settings["port"] = strconv.Itoa(p.Port)
	settings["unix_socket_directories"] = p.SocketDir
	settings["unix_socket_permissions"] = "0777" // a password is asked for; the user who starts it isn't always its owner
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	path := filepath.Join(p.DataDir, settingsFile)
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write server settings: %w", err)
	}
	return p.owner.own(path)
}

// serverEnvironment holds nothing of this process's PG* variables, which would change what a server does.
func serverEnvironment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C", "TZ=UTC"}
}

// newPassword is a random password of letters and digits.
func newPassword() string { return rand.Text() }
