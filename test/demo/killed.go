package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// enough rows have arrived when the move is killed: some chunks of the largest table, not all.
const enough = 40_000

const arrived = `select coalesce((select count(*) from order_items), 0) + (select count(*) from orders)`

func playKilled(ctx context.Context, s *stage) error {
	y := s.clients["client-y"]
	if err := s.killMove(ctx, y); err != nil {
		return err
	}
	if err := s.afterDeath(ctx, y); err != nil {
		return err
	}
	before, err := s.count(ctx, y, arrived)
	if err != nil {
		return err
	}
	if before == 0 || before >= 350_000 {
		return fmt.Errorf("the kill came at the wrong time: %d rows had arrived", before)
	}
	// Rows that are written from now on bear a higher transaction number.
	now, err := s.count(ctx, y, "select txid_current()")
	if err != nil {
		return err
	}
	s.say("\nThe same command again goes on where the first one died:")
	if err := s.move(ctx, "migrate", y.name); err != nil {
		return err
	}
	older := fmt.Sprintf("where xmin::text::bigint < %d", now)
	kept, err := s.count(ctx, y, "select (select count(*) from order_items "+older+") + (select count(*) from orders "+older+")")
	if err != nil {
		return err
	}
	if err := equal("rows of the killed run that are still there", kept, before); err != nil {
		return err
	}
	s.checked("%d rows of the killed run were there already, and none of them was copied again", kept)
	return s.compare(ctx, y, ownPairs())
}

// killMove begins a slow move and kills it while rows arrive.
func (s *stage) killMove(ctx context.Context, c *client) error {
	args := []string{"migrate", c.name, "--yes", "--max-rate", "6MB", "--chunk-size", "1MB"}
	s.typed(args...)
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- cmd.Wait()
	}()
	waited := s.untilArrived(ctx, c, ended)
	if waited == nil {
		fmt.Printf("\n$ kill -KILL %d\n", cmd.Process.Pid)
	}
	killed := cmd.Process.Kill()
	if waited != nil {
		for range ended { // until it is gone, by that kill
		}
		return waited
	}
	if killed != nil {
		return fmt.Errorf("kill the move: %w", killed)
	}
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("the move should have died by SIGKILL: %w", err)
	}
	return nil
}

// untilArrived waits until enough rows are there.
func (s *stage) untilArrived(ctx context.Context, c *client, ended chan error) error {
	for {
		select {
		case err := <-ended:
			return errors.Join(errors.New("the move ended before it could be killed"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		made, err := s.count(ctx, c, "select count(*) from pg_catalog.pg_tables where schemaname = '"+c.schema()+"' and tablename = 'order_items'")
		if err != nil {
			return err
		}
		if made == 0 {
			continue
		}
		rows, err := s.count(ctx, c, arrived)
		if err != nil {
			return err
		}
		if rows >= enough {
			return nil
		}
	}
}

// afterDeath shows what a dead move leaves: the client's writes are blocked, and status says so.
func (s *stage) afterDeath(ctx context.Context, c *client) error {
	s.say("\nNobody was there to say goodbye. The records and the fence are:")
	// The server notices within moments that its client is gone.
	for {
		sessions, err := s.count(ctx, c, "select count(*) from pg_catalog.pg_stat_activity where application_name = 'tenantctl/migrate'")
		if err != nil {
			return err
		}
		status, err := s.ask(ctx, "status", c.name)
		if err != nil {
			return err
		}
		if sessions == 0 && strings.Contains(status, "migrate died at copy") {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the move counts as dead: %w: %s", ctx.Err(), status)
		case <-time.After(200 * time.Millisecond):
		}
	}
	result, err := s.run(ctx, 0, "status")
	if err != nil {
		return err
	}
	if err := contains("status", result.stdout, "client-y: writes to its legacy database are BLOCKED since"); err != nil {
		return err
	}
	return s.writes(ctx, c, false)
}

func (s *stage) count(ctx context.Context, c *client, question string) (int, error) {
	text, err := s.answer(ctx, s.shared, c.schema(), question)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}
