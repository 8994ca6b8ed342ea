package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	replicas = 2
	// heldFor is longer than the operators take to look at the fleet again.
	heldFor  = 1500 * time.Millisecond
	stateOf  = `select coalesce((select state from tenantctl.tenant where name = 'newcomer'), 'absent')`
	inUse    = `select count(*) from tenantctl.tenant where state = 'active'`
	mayWrite = `select has_table_privilege('t_newcomer__core', 'tenant_newcomer.customers', 'insert')`
)

// playOperator leaves the fleet to two operators: what tenants.yaml says becomes true, what can't be meant waits, and one may die.
func playOperator(ctx context.Context, s *stage) (err error) {
	// Their rollout was taken back above. Operators would bring them forward again, as tenants.yaml has it.
	pause := []string{"pause", "--selector", "service=shop", "--reason", "taken back to version 1"}
	s.typed(pause...)
	if _, err := s.ask(ctx, pause...); err != nil { // forty lines alike
		return err
	}
	crew := &crew{stage: s}
	defer func() { err = errors.Join(err, crew.end()) }()
	for range replicas {
		if err := crew.start(ctx); err != nil {
			return err
		}
	}
	before, err := os.ReadFile(s.file())
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context, string) error{crew.obey, crew.mend, crew.keepFromBrokenFiles, crew.die, crew.holdMistake} {
		if err := part(ctx, string(before)); err != nil {
			return err
		}
	}
	return nil
}

// crew are the operators that run.
type crew struct {
	*stage
	running []*exec.Cmd
}

func (c *crew) start(ctx context.Context) error {
	args := []string{"operator", "--heal", "1s", "--log-level", "error"}
	c.typed(append(args, "&")...)
	cmd := c.command(ctx, args...)
	cmd.Stderr = os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	c.running = append(c.running, cmd)
	return c.until(ctx, fmt.Sprintf("%d operators run", len(c.running)), func(now crewState) bool {
		leads := slices.ContainsFunc(now.Replicas, func(r replica) bool { return r.Leads })
		return len(now.Replicas) == len(c.running) && leads
	})
}

// end has all of them end in good order.
func (c *crew) end() error {
	var failures []error
	for _, cmd := range c.running {
		failures = append(failures, cmd.Process.Signal(os.Interrupt))
	}
	for _, cmd := range c.running {
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == interrupted {
			err = nil
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// interrupted is how a program ends that ran until it was told to end.
const interrupted = 130

// edit adds a line to tenants.yaml, and shows it.
func (c *crew) edit(before, line string) error {
	fmt.Printf("\n  tenants.yaml:  + %s", strings.TrimPrefix(line, "  "))
	return os.WriteFile(c.file(), []byte(before+line), 0o600)
}

// obey adds a tenant and takes it out of service and back, by nothing but the file.
func (c *crew) obey(ctx context.Context, before string) error {
	for _, edit := range []struct{ line, state string }{
		{"  newcomer: { services: [core] }\n", "active"},
		{"  newcomer: { services: [core], state: suspended }\n", "suspended"},
		{"  newcomer: { services: [core] }\n", "active"},
	} {
		if err := c.edit(before, edit.line); err != nil {
			return err
		}
		if err := c.becomes(ctx, "newcomer is "+edit.state, stateOf, edit.state); err != nil {
			return err
		}
	}
	return c.becomes(ctx, "client-new, declared from the beginning, is there too", `select state from tenantctl.tenant where name = 'client-new'`, "active")
}

// mend has them put back what somebody takes away on the instance.
func (c *crew) mend(ctx context.Context, _ string) error {
	const sql = "revoke insert on tenant_newcomer.customers from t_newcomer__core"
	fmt.Printf("\n  by hand, on the instance: %s\n", sql)
	if err := c.execute(ctx, c.shared, sql); err != nil {
		return err
	}
	return c.becomes(ctx, "the privilege is back", mayWrite, "true")
}

// keepFromBrokenFiles breaks the file: what was read before stays in force, so that damage is mended still.
func (c *crew) keepFromBrokenFiles(ctx context.Context, before string) error {
	if err := c.edit(before, "  newcomer: { services: [co\n"); err != nil {
		return err
	}
	said := fmt.Sprintf("%d operators can't read the file, say so, and go on with what they had", replicas)
	if err := c.becomes(ctx, said, `select count(*) from tenantctl_operator.replica where trouble <> ''`, strconv.Itoa(replicas)); err != nil {
		return err
	}
	if err := c.mend(ctx, before); err != nil {
		return err
	}
	return c.edit(before, "  newcomer: { services: [core] }\n")
}

// die kills the operator that leads; the other one goes on.
func (c *crew) die(ctx context.Context, before string) error {
	now, err := c.state(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.running, func(cmd *exec.Cmd) bool {
		return slices.ContainsFunc(now.Replicas, func(r replica) bool {
			return r.Leads && strings.HasSuffix(r.Holder, fmt.Sprintf(" pid %d", cmd.Process.Pid))
		})
	})
	if i < 0 {
		return fmt.Errorf("none of the operators leads: %v", now.Replicas)
	}
	leader := c.running[i]
	c.running = slices.Delete(c.running, i, i+1)
	fmt.Printf("\n$ kill -KILL %d   # the operator that leads\n", leader.Process.Pid)
	if err := leader.Process.Kill(); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := leader.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("the operator should have died by SIGKILL: %w", err)
	}
	began := time.Now()
	if err := c.edit(before, "  newcomer: { services: [core], limits: { jobs: 9 } }\n"); err != nil {
		return err
	}
	if err := c.becomes(ctx, "newcomer may have 9 jobs at once", `select limits ->> 'jobs' from tenantctl.tenant where name = 'newcomer'`, "9"); err != nil {
		return err
	}
	c.checked("the other operator has taken over: %s after the death it was done", time.Since(began).Round(100*time.Millisecond))
	made, err := c.answer(ctx, c.shared, "", `select count(*) from tenantctl.event where tenant = 'newcomer' and type = 'tenant.provisioned'`)
	if err != nil {
		return err
	}
	return equal("times that newcomer was made", made, "1")
}

// holdMistake removes all shops from the file: nothing is done, for nobody, until that is undone.
func (c *crew) holdMistake(ctx context.Context, before string) error {
	active, err := c.answer(ctx, c.shared, "", inUse)
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.SplitAfter(before, "\n"), func(line string) bool { return strings.HasPrefix(line, "  shop-") })
	fmt.Printf("\n  tenants.yaml:  - shop-01 to shop-%d, all %[1]d", shops)
	if err := c.edit(strings.Join(lines, ""), "  newcomer: { services: [core], state: suspended }\n"); err != nil {
		return err
	}
	if err := c.until(ctx, "the change waits", func(now crewState) bool { return now.Generation.Held != "" }); err != nil {
		return err
	}
	if err := pauseFor(ctx, heldFor); err != nil {
		return err
	}
	shown, err := c.run(ctx, 0, "operator", "status")
	if err != nil {
		return err
	}
	if err := contains("operator status", shown.stdout, fmt.Sprintf("it takes the service of %d of ", shops+1)); err != nil {
		return err
	}
	left, err := c.answer(ctx, c.shared, "", inUse)
	if err != nil {
		return err
	}
	if err := equal("tenants in service while the change waits", left, active); err != nil {
		return err
	}
	c.checked("all %s tenants are in service still, newcomer too", left)
	fmt.Printf("\n  The mistake is undone, and they go on:\n")
	if err := c.edit(before, "  newcomer: { services: [core], state: suspended }\n"); err != nil {
		return err
	}
	if err := c.becomes(ctx, "newcomer is suspended", stateOf, "suspended"); err != nil {
		return err
	}
	return c.shopsAt(ctx, map[string]int{"1": shops})
}

// replica and crewState are what `operator status -o json` tells.
type replica struct {
	Holder string
	Leads  bool
}

type crewState struct {
	Generation struct{ Held string }
	Replicas   []replica
}

func (c *crew) state(ctx context.Context) (now crewState, err error) {
	text, err := c.ask(ctx, "operator", "status", "-o", "json")
	if err != nil {
		return now, err
	}
	if err := json.Unmarshal([]byte(text), &now); err != nil {
		return now, fmt.Errorf("operator status -o json: %w: %s", err, text)
	}
	return now, nil
}

// until waits until operators stand as they should.
func (c *crew) until(ctx context.Context, what string, is func(crewState) bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		now, err := c.state(ctx)
		if err == nil && is(now) {
			return nil
		}
		if pauseFor(ctx, 100*time.Millisecond) != nil {
			return errors.Join(fmt.Errorf("it didn't come true in a minute that %s: %+v", what, now), err)
		}
	}
}

// becomes waits until the shared instance gives the right answer.
func (c *crew) becomes(ctx context.Context, what, sql, want string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		got, err := c.answer(ctx, c.shared, "", sql)
		if err == nil && got == want {
			c.checked("%s", what)
			return nil
		}
		if pauseFor(ctx, 50*time.Millisecond) != nil {
			return errors.Join(fmt.Errorf("it didn't come true in a minute that %s: %s, not %s", what, got, want), err)
		}
	}
}
