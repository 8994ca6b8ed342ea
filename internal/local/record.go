package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tenantctl/internal/tenant"
)

// record is state.json: what a later process must know of a stack. Pids and ports in it may be of an earlier life; the
// processes themselves are asked before they are believed.
type record struct {
	// Home is the folder with the servers' files.
	Home     string          `json:"home"`
	Postgres *postgresRecord `json:"postgres,omitempty"`
	Broker   *brokerRecord   `json:"broker,omitempty"`
}

type postgresRecord struct {
	Major    int               `json:"major"`
	Port     int               `json:"port"`
	PID      int               `json:"pid,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
}

type brokerRecord struct {
	Node     string `json:"node"`
	Port     int    `json:"port"`
	DistPort int    `json:"distPort"`
	EpmdPort int    `json:"epmdPort"`
	PID      int    `json:"pid,omitempty"`
	EpmdPID  int    `json:"epmdPid,omitempty"`
}

// readRecord reads a folder's record; the error is tenant.ErrNotFound where there is none.
func readRecord(dir string) (record, error) {
	content, err := os.ReadFile(recordFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, tenant.WithHint(fmt.Errorf("local stack in %s: %w", dir, tenant.ErrNotFound), "start one: `tenantctl local up`")
	}
	if err != nil {
		return record{}, fmt.Errorf("read the local stack's state: %w", err)
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return record{}, fmt.Errorf("read the local stack's state in %s: %w", recordFile(dir), err)
	}
	return r, nil
}

// write replaces the record, whole or not at all.
func (r record) write(dir string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the local stack's state: %w", err)
	}
	partial := recordFile(dir) + ".new"
	if err := os.WriteFile(partial, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the local stack's state: %w", err)
	}
	if err := os.Rename(partial, recordFile(dir)); err != nil {
		return fmt.Errorf("write the local stack's state: %w", err)
	}
	return nil
}

const recordName = "state.json"

func recordFile(dir string) string { return filepath.Join(dir, recordName) }
