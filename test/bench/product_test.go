package bench_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// binary is the program that make build leaves.
func binary(b *testing.B) string {
	b.Helper()
	path, err := filepath.Abs("../../bin/tenantctl")
	require.NoError(b, err)
	_, err = os.Stat(path)
	require.NoError(b, err, "make build comes first")
	return path
}

// product is a folder with a tenants.yaml, in which tenantctl runs as people run it.
type product struct {
	*bundle
	binary, dir string
	env         []string
	declaration string // of tenants.yaml, but for the roles' prefix
}

func newProduct(u *bundle) *product {
	u.b.Helper()
	dir := folder(u.b)
	return &product{bundle: u, binary: binary(u.b), dir: dir, env: append(os.Environ(), "XDG_STATE_HOME="+dir, "TENANTCTL_PROGRESS=none")}
}

// file writes a file beside tenants.yaml.
func (p *product) file(name, text string) {
	p.b.Helper()
	path := filepath.Join(p.dir, name)
	require.NoError(p.b, os.MkdirAll(filepath.Dir(path), 0o755)) //nolint:gosec // holds no secret
	require.NoError(p.b, os.WriteFile(path, []byte(text), 0o600))
}

// declare says what tenants.yaml holds: a tenant named client, what the file has besides, and what the client has beside its
// legacy database and by itself.
func (p *product) declare(rest, legacy, client string) {
	p.declaration = fmt.Sprintf(`version: 1
instances:
  shared-1: { dsn: "${SHARED_1_DSN}", rolePrefix: %%s }
%s
tenants:
  before: {}
  client: { legacy: { dsn: "${CLIENT_DSN}"%s }%s }
`, rest, legacy, client)
}

func (p *product) tenantctl(source, target string, args ...string) usage {
	p.b.Helper()
	cmd := exec.Command(p.binary, args...)
	cmd.Dir = p.dir
	cmd.Env = append(p.env, "CLIENT_DSN="+source, "SHARED_1_DSN="+target)
	return p.run(cmd)
}

// migrate moves the client to a fresh instance that has another tenant already, and gives the legacy database back as it was.
func (p *product) migrate(source string) usage {
	p.b.Helper()
	target, drop := p.fresh()
	defer drop()
	p.file("tenants.yaml", fmt.Sprintf(p.declaration, localtest.PrefixOn(p.b, p.target))) // roles are the whole server's
	p.tenantctl(source, target, "provision", "before")
	p.settle()
	used := p.tenantctl(source, target, "migrate", "client", "--jobs", "2", "--yes")
	p.steps(source, target)
	p.tenantctl(source, target, "rollback", "client", "--yes")
	return used
}

// steps prints where the time of the last move went.
func (p *product) steps(source, target string) {
	p.b.Helper()
	cmd := exec.Command(p.binary, "status", "client", "-o", "json")
	cmd.Dir = p.dir
	cmd.Env = append(p.env, "CLIENT_DSN="+source, "SHARED_1_DSN="+target)
	out, err := cmd.Output()
	require.NoError(p.b, err)
	var status struct {
		Steps []struct {
			Step           string
			Started, Ended time.Time
		}
	}
	require.NoError(p.b, json.Unmarshal(out, &status))
	require.NotEmpty(p.b, status.Steps)
	var text strings.Builder
	for _, s := range status.Steps {
		fmt.Fprintf(&text, " %s %.2f", s.Step, s.Ended.Sub(s.Started).Seconds())
	}
	fmt.Printf("\n  steps:%s", text.String())
}
