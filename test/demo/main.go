// Demo shows tenantctl on this machine, as somebody at a shell would use it, and checks what it shows: three clients of one
// old monolith move to a shared PostgreSQL, by a mapping, as they are, and through a crash; forty tenants get a new version in
// waves, and go back; one client moves while its people work; operators keep what the file says; a tenant
// that is noisy, a mail that is refused and a version that breaks stay where they belong. Each count is taken by SQL of the
// demo's own. Servers and files are its own, too, and gone at its end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// patience bounds the whole demo: one that hangs has failed.
const patience = 10 * time.Minute

func main() {
	live := flag.Bool("live", false, "keep everything up at the end, for a dashboard in a second terminal, until Enter")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, *live)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo failed: %v\n", err)
		os.Exit(1)
	}
}

// run sets the stage, plays the acts, and clears everything away whatever happened.
func run(ctx context.Context, live bool) (err error) {
	began := time.Now()
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := newStage()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.heading("Clearing up after a failure")
		}
		err = errors.Join(err, s.clear(context.WithoutCancel(ctx)))
		if err == nil {
			fmt.Printf("\nThe demo is over: every count was right, nothing is left behind. It took %s.\n", time.Since(began).Round(time.Second))
		}
	}()
	all := acts()
	if live {
		all = all[:len(all)-1] // the last one clears up, which is put off
	}
	for i, act := range all {
		if live {
			if err := s.openDashboard(i == 0); err != nil {
				return err
			}
		}
		s.heading(act.title)
		s.say(act.text)
		if err := act.play(timed, s); err != nil {
			if cause := context.Cause(timed); cause != nil {
				return fmt.Errorf("%s: %w", act.title, errors.Join(cause, err))
			}
			return fmt.Errorf("%s: %w", act.title, err)
		}
	}
	if live {
		return s.stayUp(ctx)
	}
	return nil
}
