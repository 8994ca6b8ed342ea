package provision

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// CredentialsPath is the file that holds the password of a service's login for a cell.
func CredentialsPath(dir, cell, service string) string { return filepath.Join(dir, cell+"."+service) }

// Login is with what a service logs in for the tenants of a cell.
type Login struct {
	Role, Password string
}

// Login reads the credentials of a service for a cell. tenant.ErrNotFound: they are not on this machine.
func (p *Provisioner) Login(cell, service string) (Login, error) {
	path := CredentialsPath(p.CredentialsDir, cell, service)
	password, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Login{}, tenant.WithHint(fmt.Errorf("password of %s: %s: %w", p.names.login(cell, service), path, tenant.ErrNotFound),
			"copy the file from the machine that has it, or make a new password by rotating the login")
	}
	if err != nil {
		return Login{}, fmt.Errorf("read password: %w", err)
	}
	return Login{Role: p.names.login(cell, service), Password: strings.TrimSpace(string(password))}, nil
}

// openCell makes sure of the logins of a cell for the services given.
func (p *Provisioner) openCell(ctx context.Context, cell string, services []string) error {
	for _, service := range services {
		role := p.names.login(cell, service)
		p.mu.Lock()
		known := p.logins[role]
		p.mu.Unlock()
		if known {
			continue
		}
		if err := p.retry(ctx, func() error { return p.makeLogin(ctx, cell, service) }); err != nil {
			return fmt.Errorf("login of %s for cell %s: %w", service, cell, err)
		}
		p.mu.Lock()
		p.logins[role] = true
		p.mu.Unlock()
	}
	return nil
}

// makeLogin makes a login that isn't there. The password is on disk before the server hears of it, so that a process that dies
// in between leaves one that the next takes up. A login that is there keeps its password, even where this machine hasn't
// got it: another may.
func (p *Provisioner) makeLogin(ctx context.Context, cell, service string) error {
	role := p.names.login(cell, service)
	found, err := collect[roleSeen](ctx, p.pool, "roles", rolesSQL, []string{role}, []string{})
	if err != nil {
		return err
	}
	if len(found) > 0 {
		if found[0].Mark != p.names.markOf(shared) {
			return tenant.WithHint(fmt.Errorf("role %q is there and %s: %w", role, whose(found[0].Mark), tenant.ErrConflict),
				fmt.Sprintf("rename that role, or set `rolePrefix:` under instances.%s", p.Instance))
		}
		return nil
	}
	password, err := p.writePassword(CredentialsPath(p.CredentialsDir, cell, service))
	if err != nil {
		return err
	}
	var database string
	if err := p.pool.QueryRow(ctx, `select current_database()::text`).Scan(&database); err != nil {
		return fmt.Errorf("ask for the database's name: %w", err)
	}
	quoted := postgres.Ident(role)
	return p.transaction(ctx, []string{
		setRole(p.names.admin()),
		"create role " + quoted + " login noinherit password " + postgres.Literal(verifier(password)),
		// What most transactions would set is set already: services look at it when they connect.
		fmt.Sprintf("alter role %s set statement_timeout = %d", quoted, tenant.DefaultStatementTimeout.Milliseconds()),
		fmt.Sprintf("alter role %s set lock_timeout = %d", quoted, tenant.LockTimeout.Milliseconds()),
		"comment on role " + quoted + " is " + postgres.Literal(p.names.markOf(shared)),
		"reset role",
		"grant connect on database " + postgres.Ident(database) + " to " + quoted,
	})
}

// writePassword puts a new password where none is yet, and returns the one that is there then. The link makes the file appear
// whole: of two processes one's stays.
func (p *Provisioner) writePassword(path string) (string, error) {
	fresh, err := os.CreateTemp(p.CredentialsDir, ".new-*") // 0600
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(p.CredentialsDir, 0o700); err == nil {
			fresh, err = os.CreateTemp(p.CredentialsDir, ".new-*")
		}
	}
	if err != nil {
		return "", fmt.Errorf("keep password: %w", err)
	}
	defer func() { _ = os.Remove(fresh.Name()) }()
	if _, err := fresh.WriteString(rand.Text() + "\n"); err != nil {
		return "", errors.Join(fmt.Errorf("keep password: %w", err), fresh.Close())
	}
	if err := errors.Join(fresh.Sync(), fresh.Close()); err != nil {
		return "", fmt.Errorf("keep password: %w", err)
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep password: %w", err)
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return strings.TrimSpace(string(kept)), nil
}

// RotateLogin gives a service's login for a cell a new password. Sessions that are open stay so; services read the file again
// when a log-in is refused.
func (p *Provisioner) RotateLogin(ctx context.Context, cell, service string) error {
	role := p.names.login(cell, service)
	path := CredentialsPath(p.CredentialsDir, cell, service)
	// Left behind by a run that died, it may or may not be the password by now. This run's will be.
	if err := os.Remove(path + ".next"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate login %q: %w", role, err)
	}
	password, err := p.writePassword(path + ".next")
	if err != nil {
		return fmt.Errorf("rotate login %q: %w", role, err)
	}
	err = p.transaction(ctx, []string{setRole(p.names.admin()), "alter role " + postgres.Ident(role) + " password " + postgres.Literal(verifier(password))})
	if err != nil {
		return fmt.Errorf("rotate login %q: %w", role, err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		return fmt.Errorf("rotate login %q: %w", role, err)
	}
	return p.note(ctx, tenant.Event{Type: "login.rotated", Message: "new password for " + role})
}

const scramRounds = 4096

// verifier is what the server keeps of a password. It is computed here, so that the password is in no statement, hence in no log.
func verifier(password string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramRounds, sha256.Size)
	if err != nil {
		panic(err) // only for lengths that don't occur
	}
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		_, _ = h.Write([]byte(text)) // a hash takes every write
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramRounds, encode(salt), encode(stored[:]), encode(mac(salted, "Server Key")))
}
