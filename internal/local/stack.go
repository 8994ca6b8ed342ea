package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"tenantctl/internal/tenant"
)

// Part is a server of a stack. Parts are added up: PartPostgres | PartBroker.
type Part int

// The parts of a stack.
const (
	PartPostgres Part = 1 << iota
	PartBroker
)

// Options say what Up starts.
type Options struct {
	// Dir is the state folder; DefaultDir has the one of a project. One stack lives in it.
	Dir string
	// Parts are what is needed; 0 means PartPostgres.
	Parts Part
	// Settings are PostgreSQL's run-time parameters that win over the defaults. They are kept with the stack; nil leaves those kept.
	Settings map[string]string
	// Templates is ServerOptions.Templates.
	Templates string
}

// Stack is the private servers of a state folder. A part that was never started is nil.
type Stack struct {
	Dir      string
	Postgres *Postgres
	Broker   *Broker
	// Started are the parts that this Up had to start; the others ran already.
	Started Part

	record record
}

// Up starts the parts that don't run and waits until they take connections. Of several at once on one folder, one starts and
// the others find what it started. The servers run until Down.
func Up(ctx context.Context, opts Options) (*Stack, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("start the local stack: %w", err)
	}
	if opts.Parts == 0 {
		opts.Parts = PartPostgres
	}
	if opts.Parts&PartBroker != 0 {
		if err := BrokerInstalled(); err != nil {
			return nil, err
		}
	}
	if err := requireOurs(dir); err != nil {
		return nil, err
	}
	lock, err := lockFolder(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	s, err := findOrMake(dir)
	if err != nil {
		return nil, err
	}
	if opts.Parts&PartPostgres != 0 {
		if err := s.upPostgres(ctx, opts); err != nil {
			return nil, err
		}
	}
	if opts.Parts&PartBroker != 0 {
		if err := s.upBroker(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Find is the stack of a folder as it is, running or not; the error is tenant.ErrNotFound where there is none.
func Find(dir string) (*Stack, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the local stack: %w", err)
	}
	s := &Stack{Dir: dir}
	if s.record, err = readRecord(dir); err != nil {
		return nil, err
	}
	if known := s.record.Postgres; known != nil {
		if s.Postgres, err = findServer(s.postgresDir(), *known); err != nil {
			return nil, err
		}
	}
	if known := s.record.Broker; known != nil {
		if s.Broker, err = findBroker(s.brokerDir(), *known); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// findOrMake finds the stack of a locked folder or begins one.
func findOrMake(dir string) (*Stack, error) {
	s, err := Find(dir)
	if !errors.Is(err, tenant.ErrNotFound) {
		return s, err
	}
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	home, err := chooseHome(dir, owner)
	if err != nil {
		return nil, err
	}
	s = &Stack{Dir: dir, record: record{Home: home}}
	return s, s.record.write(dir)
}

// upPostgres sees to it that the server runs with the settings.
func (s *Stack) upPostgres(ctx context.Context, opts Options) error {
	settings := opts.Settings
	if s.Postgres == nil {
		p, err := makeServer(ctx, ServerOptions{Dir: s.postgresDir(), Settings: settings, Templates: opts.Templates})
		if err != nil {
			return fmt.Errorf("make the private PostgreSQL: %w", err)
		}
		s.Postgres = p
		// On record before it starts: whoever is killed meanwhile leaves a server that is found again.
		s.record.Postgres = &postgresRecord{Major: p.major, Port: p.Port, Settings: p.settings}
		if err := s.record.write(s.Dir); err != nil {
			return err
		}
	}
	p := s.Postgres
	if p.PID() != 0 {
		if settings != nil && !maps.Equal(settings, p.settings) {
			return tenant.WithHint(fmt.Errorf("the private PostgreSQL runs with other settings: %w", tenant.ErrConflict),
				"stop it first: `tenantctl local down --keep-data`")
		}
		return p.waitReady(ctx)
	}
	if settings != nil {
		p.settings = settings
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	s.record.Postgres = &postgresRecord{Major: p.major, Port: p.Port, Settings: p.settings}
	return s.record.write(s.Dir)
}

// startPostgres starts on the port of the server's last life where that is still free.
func (s *Stack) startPostgres(ctx context.Context) error {
	p := s.Postgres
	if !fileExists(p.DataDir) {
		return tenant.WithHint(fmt.Errorf("data folder of the private PostgreSQL, %s: %w", p.DataDir, tenant.ErrNotFound),
			"drop what is left of this stack: `tenantctl local down`")
	}
	s.Started |= PartPostgres
	if p.Port != 0 && comesFree(ctx, p.Port) {
		return p.Start(ctx)
	}
	return p.startOnFreePort(ctx)
}

// upBroker sees to it that the node runs. Its name is on record before it starts, so that it is found again whatever happens.
func (s *Stack) upBroker(ctx context.Context) error {
	if s.Broker == nil {
		node := brokerRecord{Node: Superuser + "-" + strings.ToLower(rand.Text()[:nodeNameChars])}
		b, err := makeBroker(s.brokerDir(), node)
		if err != nil {
			return fmt.Errorf("make the private RabbitMQ: %w", err)
		}
		s.Broker = b
	}
	b := s.Broker
	if b.PID() != 0 {
		return b.waitReady(ctx)
	}
	if err := b.stop(ctx); err != nil { // a port mapper that lost its node
		return err
	}
	s.Started |= PartBroker
	if err := b.choosePorts(ctx); err != nil {
		return err
	}
	s.record.Broker = &brokerRecord{Node: b.node, Port: b.Port, DistPort: b.distPort, EpmdPort: b.epmdPort}
	if err := s.record.write(s.Dir); err != nil {
		return err
	}
	return b.start(ctx)
}

const nodeNameChars = 10

func (s *Stack) postgresDir() string { return filepath.Join(s.record.Home, "postgres") }
func (s *Stack) brokerDir() string   { return filepath.Join(s.record.Home, "broker") }

// Data is what servers hold when they are taken down.
type Data int

// What becomes of the data.
const (
	RemoveData Data = iota
	KeepData
)

// Down ends every process of a folder's stack and removes all of its files, logs included; with KeepData the files stay and
// the next Up starts on them. The error is tenant.ErrNotFound where there is no stack.
func Down(ctx context.Context, dir string, data Data) error {
	if _, err := Find(dir); err != nil {
		return err
	}
	lock, err := lockFolder(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.release()
	s, err := Find(dir)
	if errors.Is(err, tenant.ErrNotFound) {
		return removeHome(dir) // someone else took it down while this process waited
	}
	if err != nil {
		return err
	}
	if err := s.stop(ctx); err != nil || data == KeepData {
		return err
	}
	return s.remove()
}

func (s *Stack) stop(ctx context.Context) error {
	var errs []error
	if s.Broker != nil {
		errs = append(errs, s.Broker.stop(ctx))
	}
	if s.Postgres != nil {
		errs = append(errs, s.Postgres.Stop(ctx))
	}
	return errors.Join(errs...)
}

// remove removes the files, the record last: a Down that was killed can be run again.
func (s *Stack) remove() error {
	for _, dir := range []string{s.postgresDir(), s.brokerDir()} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the local stack's files: %w", err)
		}
	}
	if s.record.Home != s.Dir {
		if err := removeHome(s.record.Home); err != nil {
			return err
		}
	}
	return removeHome(s.Dir)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
