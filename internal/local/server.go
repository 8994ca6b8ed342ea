package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// ServerOptions say how a server is made.
type ServerOptions struct {
	// Dir takes the server's files. ServerFolder makes one that the servers' user can reach.
	Dir string
	// Settings are run-time parameters that win over the defaults.
	Settings map[string]string
	// Environment has further variables of the server's process: NAME=VALUE.
	Environment []string
	// Templates is a folder that keeps what initdb makes, to be copied by the next server: several times faster. Such servers
	// share a password, and their files haven't waited for the disk. Empty: initdb.
	Templates string
}

// StartServer makes a server in a folder of its own and starts it on a free port. It runs until Stop or Kill.
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

// makeServer lays down the files of a server without starting it; what is there already stays.
func makeServer(ctx context.Context, opts ServerOptions) (*Postgres, error) {
	p, err := serverIn(opts.Dir)
	if err != nil {
		return nil, err
	}
	p.settings, p.environment = opts.Settings, opts.Environment
	if err := p.owner.outerFolder(p.dir); err != nil {
		return nil, err
	}
	if err := p.initialize(ctx, opts.Templates); err != nil {
		return nil, err
	}
	if err := p.makeSocketFolder(); err != nil {
		return nil, err
	}
	if p.password, err = readPassword(p.dir); err != nil {
		return nil, err
	}
	return p, p.attach()
}

// findServer is the server on record as it is now.
func findServer(dir string, known postgresRecord) (*Postgres, error) {
	p, err := serverIn(dir)
	if err != nil {
		return nil, err
	}
	p.Port, p.major, p.settings = known.Port, known.Major, known.Settings
	if p.password, err = readPassword(dir); err != nil {
		return nil, err
	}
	return p, p.attach()
}

// serverIn is a server's layout in a folder.
func serverIn(dir string) (*Postgres, error) {
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	return &Postgres{
		DataDir: filepath.Join(dir, "data"), SocketDir: socketFolder(dir), LogFile: filepath.Join(dir, "server.log"),
		dir: dir, owner: owner,
	}, nil
}

// socketPathLimit is the shortest limit of a socket's path among systems (macOS), less the file's name.
const socketPathLimit = 104 - len("/.s.PGSQL.65535") - 1

// socketFolder is where the server's Unix socket lies; nowhere where the path would be longer than systems allow.
func socketFolder(dir string) string {
	folder := filepath.Join(dir, "s")
	if len(folder) > socketPathLimit {
		return ""
	}
	return folder
}

// makeSocketFolder lets whoever knows the password through: as root, that isn't the folder's owner.
func (p *Postgres) makeSocketFolder() error {
	if p.SocketDir == "" {
		return nil
	}
	if err := p.owner.ownFolder(p.SocketDir); err != nil {
		return err
	}
	if !p.owner.other {
		return nil
	}
	if err := os.Chmod(p.SocketDir, 0o711); err != nil { //nolint:gosec // see above
		return fmt.Errorf("open socket folder: %w", err)
	}
	return nil
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
	return ServerFolderIn(parent, pattern)
}

// ServerFolderIn makes a new folder for a server in a folder that the servers' user can reach.
func ServerFolderIn(parent, pattern string) (string, error) {
	owner, err := serverAccount()
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp(parent, pattern)
	if err == nil {
		err = os.Chmod(folder, owner.outerMode())
	}
	if err != nil {
		return "", fmt.Errorf("make server folder: %w", err)
	}
	return folder, nil
}
