package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"tenantctl/internal/postgres"
)

// initialize makes the data folder once: one that is there stays. The data appears under its name when it is complete, so that
// a run that was killed leaves nothing that looks like a server. templates keeps what initdb makes, to be copied the next time;
// empty: initdb.
func (p *Postgres) initialize(ctx context.Context, templates string) error {
	if _, err := os.Stat(p.DataDir); err == nil {
		return nil
	}
	tools, err := postgres.FindServer(0)
	if err != nil {
		return err
	}
	// A name of its own: the initdb of a run that was killed may still be writing to the last one's.
	partial := p.DataDir + ".new-" + rand.Text()[:8]
	if templates == "" {
		_, err = p.make(ctx, tools, partial)
	} else {
		err = p.copyOrMake(ctx, tools, partial, templates)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(partial, p.DataDir); err != nil {
		return fmt.Errorf("put data folder in place: %w", err)
	}
	return nil
}

// copyOrMake copies the template; where there is none to be had, whatever the reason, initdb makes one.
func (p *Postgres) copyOrMake(ctx context.Context, tools postgres.Tools, dataDir, templates string) error {
	kept, err := templateOf(ctx, tools, templates)
	if err != nil {
		return err
	}
	password, err := kept.copyTo(dataDir, p.owner)
	if err == nil {
		return writePassword(p.dir, password)
	}
	if err := os.RemoveAll(dataDir); err != nil {
		return fmt.Errorf("clear data folder: %w", err)
	}
	if password, err = p.make(ctx, tools, dataDir); err != nil {
		return err
	}
	_ = kept.keep(dataDir, password) // without one the next start takes longer, nothing else
	return nil
}

// make runs initdb.
func (p *Postgres) make(ctx context.Context, tools postgres.Tools, dataDir string) (password string, err error) {
	if password, err = keepPassword(p.dir); err != nil {
		return "", err
	}
	if err := p.owner.ownFolder(dataDir); err != nil {
		return "", err
	}
	if err := p.initdb(ctx, tools, dataDir, password); err != nil {
		return "", err
	}
	return password, includeSettings(dataDir)
}

// initdb takes C.UTF-8, which sorts alike on every machine; a system that lacks it has C.
func (p *Postgres) initdb(ctx context.Context, tools postgres.Tools, dataDir, password string) error {
	passwordFile := filepath.Join(p.dir, "initdb-password")
	if err := p.owner.ownFile(passwordFile, password+"\n"); err != nil {
		return err
	}
	defer func() { _ = os.Remove(passwordFile) }()
	var failures []error
	for _, locale := range []string{"C.UTF-8", "C"} {
		args := []string{
			"--pgdata=" + dataDir, "--username=" + Superuser, "--pwfile=" + passwordFile, "--auth=scram-sha-256", "--encoding=UTF8",
			"--locale=" + locale, "--no-instructions",
		}
		if p.settings["fsync"] == "off" {
			args = append(args, "--no-sync") // a throw-away server waits for no disk, neither now nor later
		}
		cmd := exec.CommandContext(ctx, filepath.Join(tools.Bin, "initdb"), args...)
		cmd.Dir = dataDir
		cmd.Env = serverEnvironment(dataDir)
		cmd.SysProcAttr = p.owner.attributes()
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("initdb in %s: %w: %s", dataDir, err, bytes.TrimSpace(out)))
		if !bytes.Contains(out, []byte("invalid locale")) {
			break
		}
	}
	return errors.Join(failures...)
}

// includeSettings makes postgresql.conf read the settings file last.
func includeSettings(dataDir string) error {
	file, err := os.OpenFile(filepath.Join(dataDir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("extend server settings: %w", err)
	}
	_, err = fmt.Fprintf(file, "\ninclude = '../%s'\n", settingsName)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("extend server settings: %w", err)
	}
	return nil
}
