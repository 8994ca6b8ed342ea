package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	flooders  = 8                      // people of the noisy tenant who ask without a pause
	eachFlood = 25                     // statements that each of them wants
	quietPace = 150 * time.Millisecond // in which each quiet tenant asks for one
)

// playNoisy has one tenant ask for far more work than all others, and compares how long each one's work waits.
func playNoisy(ctx context.Context, s *stage) error {
	if err := s.found(ctx); err != nil {
		return err
	}
	c := s.company
	flooding, over := context.WithCancel(ctx)
	var quiet, noisy sync.WaitGroup
	failures := make(chan error, len(shopsOfCompany())+flooders)
	asked := map[string]int{"flood": flooders * eachFlood}
	var mu sync.Mutex
	for range flooders {
		noisy.Go(func() {
			for range eachFlood {
				if err := c.visitors["flood"].askForStatement(ctx); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	for _, name := range shopsOfCompany()[1:] {
		quiet.Go(func() {
			for flooding.Err() == nil {
				if err := c.visitors[name].askForStatement(ctx); err != nil {
					failures <- err
					return
				}
				mu.Lock()
				asked[name]++
				mu.Unlock()
				_ = pauseFor(flooding, quietPace)
			}
		})
	}
	noisy.Wait()
	_, waited := c.dwell(ctx, "flood", asked["flood"])
	over()
	quiet.Wait()
	close(failures)
	for err := range failures {
		waited = errors.Join(waited, err)
	}
	if waited != nil {
		return waited
	}
	return c.compareDwell(ctx, asked)
}

// askForStatement asks for a month's statement, which is a job.
func (tr *traffic) askForStatement(ctx context.Context) error {
	status, _, body, err := tr.ask(ctx, http.MethodPost, "/v1/statements", map[string]string{"month": "2026-10"})
	if err == nil && status != http.StatusAccepted {
		err = fmt.Errorf("%s: a statement was answered with %d: %s", tr.tenant, status, body)
	}
	return err
}

// dwellOf is how many of a tenant's jobs ended well, and how long they waited, in milliseconds: the middle and the longest.
const dwellOf = `select count(*) filter (where state = 'done') || ' ' || coalesce(round(percentile_disc(0.5) within group (order by waited)), 0) || ' ' || coalesce(round(max(waited)), 0)
	from (select state, extract(epoch from started_at - created_at) * 1000 as waited from job where role = 't_%s__core') as j`

// dwell waits until so many of a tenant's statements are done, and is how many there are then, and how long they waited.
func (c *company) dwell(ctx context.Context, name string, asked int) (got [3]int, err error) {
	err = c.wait(ctx, "the statements of "+name+" are done", func() (bool, error) {
		text, err := c.answer(ctx, c.shared, "jobs", fmt.Sprintf(dwellOf, name))
		if err != nil {
			return false, err
		}
		_, err = fmt.Sscan(text, &got[0], &got[1], &got[2])
		return got[0] >= asked, err
	})
	return got, err
}

// compareDwell waits until everything that was asked for is done, and compares.
func (c *company) compareDwell(ctx context.Context, asked map[string]int) error {
	dwell := map[string][3]int{}
	for _, name := range shopsOfCompany() {
		var err error
		if dwell[name], err = c.dwell(ctx, name, asked[name]); err != nil {
			return err
		}
	}
	fmt.Printf("\n  %-8s %10s %12s %14s\n", "TENANT", "STATEMENTS", "MIDDLE WAIT", "LONGEST WAIT")
	for _, name := range shopsOfCompany() {
		got := dwell[name]
		fmt.Printf("  %-8s %10d %9d ms %11d ms\n", name, got[0], got[1], got[2])
		if err := equal(name+": statements that are done", got[0], asked[name]); err != nil {
			return err
		}
		if name != "flood" && got[2]*2 > dwell["flood"][2] {
			return fmt.Errorf("%s waited for up to %d ms beside a flood that waited for up to %d ms for itself", name, got[2], dwell["flood"][2])
		}
	}
	c.checked("each statement was made once, and the flood waited for itself: nobody else waited half as long as it did")
	return nil
}
