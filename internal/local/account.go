package local

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the servers run as.
type account struct {
	name     string
	uid, gid int
	other    bool // not the user of this process, who is root
}

// serverAccount picks who the servers run as: this user, or as root PostgreSQL's own user where there is one.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(found.Uid)
		if err != nil {
			return account{}, fmt.Errorf("user %q has the id %q", name, found.Uid)
		}
		gid, err := strconv.Atoi(found.Gid)
		if err != nil {
			return account{}, fmt.Errorf("user %q has the group id %q", name, found.Gid)
		}
		return account{name: name, uid: uid, gid: gid, other: true}, nil
	}
	return account{}, fmt.Errorf("run as root without a user %q or %q to run servers as", "postgres", "nobody")
}

// attributes start a process as the account in a session of its own, so that no signal meant for this process's terminal
// or group reaches it.
func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if a.other {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // ids come from the system's own user list
	}
	return attributes
}

// outerFolder makes a folder of this process's user that the account may pass through but not write to: as root, this
// program writes only where no server could have laid a symbolic link. One that is there already stays as it is.
func (a account) outerFolder(path string) error {
	if fileExists(path) {
		return nil
	}
	if err := os.MkdirAll(path, a.outerMode()); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(path, a.outerMode()); err != nil { // whatever the umask
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

func (a account) outerMode() fs.FileMode {
	if a.other {
		return 0o711
	}
	return 0o700
}

// ownFolder makes a folder that belongs to the account and that it alone may read.
func (a account) ownFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return a.own(path)
}

// ownFile writes a file that belongs to the account and that it alone may read.
func (a account) ownFile(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write for server: %w", err)
	}
	return a.own(path)
}

func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give to user %q: %w", a.name, err)
	}
	return nil
}

// reaches tells whether the account may pass through a folder and every one above it. /root, for one, lets nobody pass.
func (a account) reaches(folder string) bool {
	if !a.other {
		return true
	}
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(folder)
		if err != nil || !a.passes(info) {
			return false
		}
		if folder == filepath.Dir(folder) {
			return true
		}
		folder = filepath.Dir(folder)
	}
}

// passes tells whether a folder's mode lets the account through.
func (a account) passes(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(owner.Uid) == a.uid:
		return info.Mode()&0o100 != 0
	case ok && int(owner.Gid) == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// ownedByUs tells whether a file belongs to the user of this process.
func ownedByUs(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid()
}
