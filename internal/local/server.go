package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tenantctl/internal/postgres"
)

// ServerOptions say how a server is made.
type ServerOptions struct {
	// Dir takes the server's files. Nothing else may lie in it, and ServerFolder tells where it can be.
	Dir string
	// Settings are run-time parameters that win over the defaults.
	Settings map[string]string
	// Template is a folder that MakeTemplate filled; copying it is several times faster than initdb. Empty: initdb.
	Template string
}

const passwordName = "password"

// StartServer makes a server in an empty folder and starts it on a free port. It runs until Stop.
func StartServer(ctx context.Context, opts ServerOptions) (*Postgres, error) {
	p, err := makeServer(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := p.startOnFreePort(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// makeServer lays down the files of a server without starting it.
func makeServer(ctx context.Context, opts ServerOptions) (*Postgres, error) {
	p, err := serverIn(opts.Dir, opts.Settings)
	if err != nil {
		return nil, err
	}
	if err := p.owner.mkdir(opts.Dir); err != nil {
		return nil, err
	}
	if opts.Template != "" {
		err = copyTemplate(opts.Template, opts.Dir, p.owner)
	} else {
		err = p.initialize(ctx, opts.Dir)
	}
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(filepath.Join(opts.Dir, passwordName))
	if err != nil {
		return nil, fmt.Errorf("read server password: %w", err)
	}
	p.password = strings.TrimSpace(string(password))
	return p, p.owner.mkdir(p.SocketDir)
}

// serverIn describes a server of a folder.
func serverIn(dir string, settings map[string]string) (*Postgres, error) {
	tools, err := postgres.FindServer()
	if err != nil {
		return nil, err
	}
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	return &Postgres{
		DataDir: filepath.Join(dir, "data"), SocketDir: filepath.Join(dir, "s"), LogFile: filepath.Join(dir, "server.log"),
		tools: tools, owner: owner, settings: settings,
	}, nil
}

// initialize runs initdb and leaves the password beside the data.
func (p *Postgres) initialize(ctx context.Context, dir string) error {
	password := newPassword()
	if err := initialize(ctx, p.tools, p.owner, p.DataDir, password); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, passwordName), []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write server password: %w", err)
	}
	return nil
}

// startOnFreePort starts on another port where the one found was taken in the meantime.
func (p *Postgres) startOnFreePort(ctx context.Context) error {
	var failures []error
	for range startTries {
		port, err := freePort()
		if err != nil {
			return err
		}
		p.Port = port
		err = p.Start(ctx)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
		if !strings.Contains(p.logTail(), "could not create any TCP/IP sockets") {
			break
		}
	}
	return errors.Join(failures...)
}

// ServerFolder makes a new folder for a server under the system's temporary folder, or where the servers' user can't pass
// that, under /tmp.
func ServerFolder(pattern string) (string, error) {
	owner, err := serverAccount()
	if err != nil {
		return "", err
	}
	parent := os.TempDir()
	if !owner.reaches(parent) {
		parent = "/tmp"
	}
	folder, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		return "", fmt.Errorf("make server folder: %w", err)
	}
	return folder, owner.own(folder)
}
