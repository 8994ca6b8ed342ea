package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tenantctl/internal/tenant"
)

// DefaultDir is the state folder of the project in a folder: $XDG_STATE_HOME/tenantctl/NAME-HASH, in ~/.local/state where the
// variable isn't set. Projects of one name in different places have different folders. The variables are those of env.
func DefaultDir(env func(string) (string, bool), project string) (string, error) {
	base, _ := env("XDG_STATE_HOME")
	if base == "" {
		home, _ := env("HOME")
		if home == "" {
			return "", tenant.WithHint(fmt.Errorf("find a folder for the local stack: HOME: %w", tenant.ErrNotFound), "set XDG_STATE_HOME or HOME")
		}
		base = filepath.Join(home, ".local", "state")
	}
	project, err := filepath.Abs(project)
	if err != nil {
		return "", fmt.Errorf("find a folder for the local stack: %w", err)
	}
	if real, err := filepath.EvalSymlinks(project); err == nil {
		project = real
	}
	return filepath.Join(base, "tenantctl", keyed(project)), nil
}

// TemplatesDir is beside a stack's folder and keeps what initdb made for throw-away servers.
func TemplatesDir(stackDir string) string { return stackDir + "-initdb" }

const keyBytes = 5

// keyed is a short name for a path: its last part, to be recognized, and a hash, to be its own.
func keyed(path string) string {
	sum := sha256.Sum256([]byte(path))
	return fileName(filepath.Base(path)) + "-" + hex.EncodeToString(sum[:keyBytes])
}

// chooseHome makes the folder for the servers' files: the state folder itself, or where the servers' user can't pass what lies
// above it (root's home, for one), a folder where system services keep theirs. /tmp would do, but is swept now and then.
func chooseHome(stateDir string, owner account) (string, error) {
	if owner.reaches(stateDir) {
		return stateDir, nil
	}
	failures := []error{fmt.Errorf("user %q can't reach %s", owner.name, stateDir)}
	for _, parent := range []string{"/var/lib", "/var/tmp"} {
		if !owner.reaches(parent) {
			continue
		}
		home, err := makeHome(filepath.Join(parent, "tenantctl"), keyed(stateDir), owner)
		if err == nil {
			return home, nil
		}
		failures = append(failures, err)
	}
	return "", fmt.Errorf("make a folder for the local stack: %w", errors.Join(failures...))
}

// makeHome makes a folder whose parent is root's alone: what someone else put there first in a folder that all may write to
// is not taken.
func makeHome(parent, name string, owner account) (string, error) {
	if err := owner.outerFolder(parent); err != nil {
		return "", err
	}
	info, err := os.Lstat(parent)
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	if !info.IsDir() || !ownedByUs(info) {
		return "", fmt.Errorf("%s belongs to someone else", parent)
	}
	home := filepath.Join(parent, name)
	return home, owner.outerFolder(home)
}

// requireOurs refuses a folder with someone's files in it: Down would remove them.
func requireOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the local stack's folder: %w", err)
	}
	for _, entry := range entries {
		ours := entry.Name() == lockName || strings.HasPrefix(entry.Name(), recordName)
		if !ours && !fileExists(recordFile(dir)) {
			return tenant.WithHint(fmt.Errorf("folder %s has other files than a local stack's, such as %s: %w", dir, entry.Name(), tenant.ErrConflict),
				"give a folder that is empty or isn't there yet")
		}
	}
	return nil
}

// removeHome removes a stack's folder, and the one that holds all stacks when it was the last. The folder leaves its place in
// one step, so that whoever waits for its lock begins in a new one.
func removeHome(home string) error {
	gone := filepath.Join(filepath.Dir(home), ".tenantctl-removed-"+filepath.Base(home))
	err := os.RemoveAll(gone) // of a run that was killed here
	if err == nil {
		err = os.Rename(home, gone)
	}
	if err == nil {
		err = os.RemoveAll(gone)
	}
	if err == nil {
		err = os.RemoveAll(LogsDir(home))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the local stack's files: %w", err)
	}
	if parent := filepath.Dir(home); filepath.Base(parent) == "tenantctl" {
		_ = os.Remove(parent) // others' stacks keep it
	}
	return nil
}

// LogsDir is where a project's services keep their lines unless they are told otherwise: beside its servers, and gone with them.
func LogsDir(home string) string { return home + "-logs" }
