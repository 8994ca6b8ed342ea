package local

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tenantctl/internal/tenant"
)

// brokerReadyTimeout is long: a node boots in some 8 s alone on two cores, and it is seldom alone.
const brokerReadyTimeout = 2 * time.Minute

// helperTimeout is how long programs that a node started may take to notice that it is gone.
const helperTimeout = 5 * time.Second

// Broker is a private RabbitMQ node together with the port mapper daemon (epmd) that Erlang needs. Its methods are for one
// goroutine at a time.
type Broker struct {
	// Port takes AMQP on 127.0.0.1.
	Port int
	// LogFile has the output of the node and of its port mapper; the node's own logs lie in data/log.
	LogFile string

	dir, node          string
	distPort, epmdPort int
	owner              account
	password           string
	process, epmd      *process
}

// URL is the AMQP address with user and password.
func (b *Broker) URL() string {
	address := url.URL{Scheme: "amqp", User: url.UserPassword(Superuser, b.password), Host: localAddress(b.Port), Path: "/"}
	return address.String()
}

// PID is the node's process id, 0 where it doesn't run.
func (b *Broker) PID() int {
	if !b.process.running() {
		return 0
	}
	return b.process.pid
}

// BrokerInstalled tells whether RabbitMQ's programs are on this machine; its error says what to do about it.
func BrokerInstalled() error {
	_, _, err := brokerPrograms()
	return err
}

// brokerPrograms finds RabbitMQ's start script and Erlang's port mapper. Debian's /usr/sbin/rabbitmq-server is a wrapper that
// refuses ordinary users: the script behind it doesn't.
func brokerPrograms() (server, epmd string, err error) {
	server = firstProgram("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server",
		"/usr/local/sbin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server")
	epmd, lookErr := exec.LookPath("epmd")
	if lookErr != nil {
		epmd = firstProgram("/usr/lib/erlang/bin/epmd", "/opt/homebrew/bin/epmd", "/usr/local/bin/epmd")
	}
	if server == "" || epmd == "" {
		return "", "", tenant.WithHint(fmt.Errorf("rabbitmq-server and epmd: %w", tenant.ErrNotFound),
			"install RabbitMQ (Debian: `apt-get install rabbitmq-server`, macOS: `brew install rabbitmq`), or give `broker` in tenants.yaml")
	}
	return server, epmd, nil
}

func firstProgram(paths ...string) string {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// start starts the port mapper and the node and waits until the node takes connections.
func (b *Broker) start(ctx context.Context) error {
	server, epmd, err := brokerPrograms()
	if err != nil {
		return err
	}
	if err := b.writeFiles(); err != nil {
		return err
	}
	if err := b.launch(ctx, server, epmd); err != nil {
		return errors.Join(err, b.stop(ctx))
	}
	if err := b.waitReady(ctx); err != nil {
		return errors.Join(err, b.stop(ctx))
	}
	return nil
}

// choosePorts keeps the ports of the node's last life where they are still free.
func (b *Broker) choosePorts(ctx context.Context) error {
	for _, port := range []*int{&b.Port, &b.distPort, &b.epmdPort} {
		if *port != 0 && comesFree(ctx, *port) {
			continue
		}
		free, err := freePort()
		if err != nil {
			return err
		}
		*port = free
	}
	return nil
}

// launch runs both programs in the foreground: an epmd that the node started itself would be a daemon that stays. It is kept from
// that by its environment, and therefore must find ours.
func (b *Broker) launch(ctx context.Context, server, epmd string) error {
	var err error
	port := strconv.Itoa(b.epmdPort)
	//nolint:noctx // it outlives the context that it was started under
	mapper := exec.Command(epmd, "-port", port, "-address", "127.0.0.1")
	mapper.Dir, mapper.Env = b.dataDir(), serverEnvironment(b.dir)
	if b.epmd, err = launch(mapper, b.owner, b.LogFile, b.epmdWord()); err != nil {
		return err
	}
	if err := b.waitMapper(ctx); err != nil {
		return err
	}
	//nolint:noctx // as above
	node := exec.Command(server, "-"+Superuser, b.node)
	node.Dir, node.Env = b.dataDir(), b.environment()
	if b.process, err = launch(node, b.owner, b.LogFile, b.nodeWord()); err != nil {
		return err
	}
	return nil
}

// waitMapper waits until the port mapper listens.
func (b *Broker) waitMapper(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	for !answers(ctx, b.epmdPort) {
		if !b.epmd.running() {
			return fmt.Errorf("the port mapper of the private RabbitMQ ended while starting: %s", logTail(b.LogFile))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the port mapper of the private RabbitMQ (log: %s): %w", b.LogFile, ctx.Err())
		case <-time.After(pollInterval):
		}
	}
	return nil
}

// nodeWord and epmdWord are what only these processes have in their command lines.
func (b *Broker) nodeWord() string { return "-" + Superuser + " " + b.node }
func (b *Broker) epmdWord() string { return "epmd -port " + strconv.Itoa(b.epmdPort) + " -address" }

// stop ends the node, then its port mapper, and waits for what the node had started: name resolver, disk monitor.
func (b *Broker) stop(ctx context.Context) error {
	if err := errors.Join(b.process.end(ctx, syscall.SIGTERM), b.epmd.end(ctx, syscall.SIGTERM)); err != nil {
		return fmt.Errorf("stop the private RabbitMQ: %w", err)
	}
	return endAll(context.WithoutCancel(ctx), b.dir, helperTimeout)
}

// waitReady waits until the node answers AMQP, ends, or time is up.
func (b *Broker) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, brokerReadyTimeout)
	defer cancel()
	for {
		err := b.Ping(ctx)
		if err == nil {
			return nil
		}
		if !b.process.running() {
			return fmt.Errorf("the private RabbitMQ ended while starting: %s", logTail(b.LogFile))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the private RabbitMQ (log: %s): %w: %w", b.LogFile, ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

func (b *Broker) dataDir() string { return filepath.Join(b.dir, "data") }

// environment points every file of the node below its own folder, so that nothing of an installed broker's is read.
func (b *Broker) environment() []string {
	file := func(name string) string { return filepath.Join(b.dir, name) }
	data := func(name string) string { return filepath.Join(b.dataDir(), name) }
	return append(
		serverEnvironment(b.dir),
		"ERL_EPMD_PORT="+strconv.Itoa(b.epmdPort),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_FLAGS=-start_epmd false", // for each program of Erlang's that the node's scripts run, too
		"RABBITMQ_NODENAME="+b.node+"@localhost",
		"RABBITMQ_DIST_PORT="+strconv.Itoa(b.distPort),
		"RABBITMQ_CONF_ENV_FILE="+file("rabbitmq-env.conf"),
		"RABBITMQ_CONFIG_FILE="+file("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE="+file("advanced.config"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+file("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE="+data("mnesia"),
		"RABBITMQ_GENERATED_CONFIG_DIR="+data("config"),
		"RABBITMQ_SCHEMA_DIR="+data("schema"),
		"RABBITMQ_FEATURE_FLAGS_FILE="+data("feature_flags"),
		"RABBITMQ_LOG_BASE="+data("log"),
		// Distribution on the loopback only; idle schedulers sleep instead of spinning.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
		// The script then becomes the node instead of its parent, so that the pid on record is the node's.
		"RUNNING_UNDER_SYSTEMD=true",
	)
}

// writeFiles writes configuration and the cookie that Erlang nodes know each other by.
func (b *Broker) writeFiles() error {
	settings := []string{
		"listeners.tcp.1 = " + localAddress(b.Port),
		"default_user = " + Superuser,
		"default_pass = " + b.password,
		"disk_free_limit.absolute = 50MB",
		"log.console = false",
	}
	files := map[string]string{
		"rabbitmq.conf":   strings.Join(settings, "\n") + "\n",
		"enabled_plugins": "[].\n",
		".erlang.cookie":  b.password,
	}
	for name, content := range files {
		if err := b.owner.ownFile(filepath.Join(b.dir, name), content); err != nil {
			return err
		}
	}
	return b.owner.ownFolder(b.dataDir())
}

// makeBroker makes the folder and the password of a node.
func makeBroker(dir string, known brokerRecord) (*Broker, error) {
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if err := owner.outerFolder(dir); err != nil {
		return nil, err
	}
	if _, err := keepPassword(dir); err != nil {
		return nil, err
	}
	return findBroker(dir, known)
}

// findBroker is the node on record as it is now.
func findBroker(dir string, known brokerRecord) (*Broker, error) {
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	password, err := readPassword(dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		Port: known.Port, LogFile: filepath.Join(dir, "server.log"),
		dir: dir, node: known.Node, distPort: known.DistPort, epmdPort: known.EpmdPort, owner: owner, password: password,
	}
	if b.process, err = findProcess(b.nodeWord()); err != nil {
		return nil, err
	}
	if known.EpmdPort != 0 {
		b.epmd, err = findProcess(b.epmdWord())
	}
	return b, err
}
