package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// A child is this test binary run again as a process of its own, which the test stops and kills. It obeys one word a line and
// answers each with a line.
const (
	childRole = "REGISTRY_TEST_CHILD"
	childDSN  = "REGISTRY_TEST_DSN"
	leaseOf   = "tenant:client-x"
	operation = "op-1"
)

type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func startChild(t *testing.T, role, dsn string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDSN+"="+dsn)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{t: t, cmd: cmd, in: in, lines: make(chan string, 16)}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range c.lines { // until its end is read
		}
		_ = cmd.Wait()
	})
	return c
}

// answer is the child's next line.
func (c *child) answer() string {
	c.t.Helper()
	select {
	case line, open := <-c.lines:
		require.True(c.t, open, "the child ended")
		return line
	case <-time.After(20 * time.Second):
		require.Fail(c.t, "the child doesn't answer")
		return ""
	}
}

func (c *child) ask(word string) string {
	c.t.Helper()
	_, err := fmt.Fprintln(c.in, word)
	require.NoError(c.t, err)
	return c.answer()
}

// runChild is the child's main.
func runChild(role string) int {
	ctx := context.Background()
	registry, err := Open(ctx, os.Getenv(childDSN))
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	defer registry.Close()
	if role == "open" {
		fmt.Println("opened")
		return 0
	}
	registry.timing = shortTiming()
	if err := holdLease(ctx, registry); err != nil {
		fmt.Println("child:", err)
		return 1
	}
	return 0
}

// shortTiming lets a holder's silence be noticed within a test's patience.
func shortTiming() leaseTiming {
	return leaseTiming{
		beat: 50 * time.Millisecond, answer: 5 * time.Second, stale: 700 * time.Millisecond,
		patience: 300 * time.Millisecond, poll: 10 * time.Millisecond,
	}
}

// holdLease acquires the lease, tells the instance (the same database) of its token, and does what it is told.
func holdLease(ctx context.Context, registry *Registry) error {
	lease, err := registry.Acquire(ctx, leaseOf, ThisProcess())
	if err != nil {
		return err
	}
	conn, err := postgres.Connect(ctx, os.Getenv(childDSN), postgres.Options{Application: "child"})
	if err != nil {
		return err
	}
	if err := OpenInstance(ctx, conn); err != nil {
		return err
	}
	if err := RaiseToken(ctx, conn, leaseOf, lease.Token(), RaiseOptions{}); err != nil {
		return err
	}
	fmt.Println("holding")
	var tx pgx.Tx
	for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
		var err error
		switch scanner.Text() {
		case "begin":
			tx, err = beginWrite(ctx, conn, lease.Token())
		case "commit":
			err = tx.Commit(ctx)
		case "check":
			err = lease.Check(ctx)
		case "lost":
			<-lease.Lost()
		}
		fmt.Println(verdict(err))
	}
	return nil
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, tenant.ErrLeaseLost):
		return "lease lost"
	}
	return "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
}

// beginWrite writes a mark under the token and leaves the transaction open.
func beginWrite(ctx context.Context, conn *pgx.Conn, token int64) (pgx.Tx, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := HoldToken(ctx, tx, leaseOf, token); err != nil {
		return nil, errors.Join(err, tx.Rollback(ctx))
	}
	return tx, SaveChunk(ctx, tx, Chunk{Operation: operation, Table: "public.orders", Token: token, Rows: 3})
}
