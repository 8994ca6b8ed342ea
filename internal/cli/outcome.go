package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

// The results of an outcome.
const (
	resultDone      = "done"
	resultUnchanged = "unchanged"
	resultFailed    = "failed"
	resultSkipped   = "skipped"
)

// outcome is what came of one tenant in a command about several.
type outcome struct {
	Tenant  tenant.Name `json:"tenant"`
	Result  string      `json:"result"`           // done, unchanged, failed, skipped
	Detail  string      `json:"detail,omitempty"` // what was done, for people
	Cell    string      `json:"cell,omitempty"`
	Steps   []string    `json:"steps,omitempty"`
	Archive string      `json:"archive,omitempty"` // path of the dump
	Foreign []string    `json:"foreign,omitempty"` // what is in the schema and isn't tenantctl's
	Error   string      `json:"error,omitempty"`
	Seconds float64     `json:"seconds"`

	err error
}

func failedOutcome(name tenant.Name, err error) outcome {
	return outcome{Tenant: name, Result: resultFailed, Error: maskText(err.Error()), err: err}
}

// outcomeOf is a provisioner's outcome as it is printed.
func outcomeOf(o provision.Outcome) outcome {
	if o.Err != nil {
		made := failedOutcome(o.Tenant, o.Err)
		made.Seconds = o.Elapsed.Seconds()
		return made
	}
	made := outcome{Tenant: o.Tenant, Result: resultDone, Cell: o.Cell, Foreign: o.Foreign, Seconds: o.Elapsed.Seconds()}
	for _, step := range o.Steps {
		made.Steps = append(made.Steps, step.Describe)
	}
	made.Detail = strings.Join(made.Steps, "; ")
	if slices.ContainsFunc(made.Steps, func(step string) bool { return strings.HasPrefix(step, "make schema ") }) {
		made.Detail = "made, in cell " + o.Cell
	}
	if len(o.Steps) == 0 {
		made.Result, made.Detail = resultUnchanged, "as declared"
	}
	return made
}

// eachTenant does something for every tenant, some at once, and returns every outcome in the tenants' order. Once drained it
// begins no other.
func eachTenant(ctx context.Context, fleet []reconcile.Tenant, parallel int, drain <-chan struct{}, do func(context.Context, reconcile.Tenant) outcome, each func(outcome)) []outcome {
	outcomes := make([]outcome, len(fleet))
	var mutex sync.Mutex
	var group errgroup.Group
	group.SetLimit(max(parallel, 1))
	for i, t := range fleet {
		group.Go(func() error {
			began := time.Now()
			select {
			case <-drain:
				outcomes[i] = outcome{Tenant: t.Name, Result: resultSkipped, Detail: "interrupted before it began", err: tenant.ErrInterrupted}
			default:
				outcomes[i] = do(ctx, t)
				outcomes[i].Seconds = time.Since(began).Seconds()
			}
			mutex.Lock()
			defer mutex.Unlock()
			each(outcomes[i])
			return nil
		})
	}
	_ = group.Wait() // errors are in the outcomes
	return outcomes
}

// maxErrors is how many failures are told of one by one.
const maxErrors = 20

// outcomesError is nil where all went well, the tenant's own error where there is one tenant, and tenant.ErrPartial where some
// of several failed. Where all failed, it is all of their errors.
func outcomesError(outcomes []outcome) error {
	var errs []error
	for _, o := range outcomes {
		if o.err != nil {
			errs = append(errs, o.err)
		}
	}
	switch {
	case len(errs) == 0:
		return nil
	case len(outcomes) == 1:
		return errs[0]
	}
	told := errs
	if len(errs) > maxErrors {
		told = append(errs[:maxErrors:maxErrors], fmt.Errorf("and %d more failures; -o json lists each", len(errs)-maxErrors))
	}
	summary := fmt.Errorf("%d of %d tenants failed", len(errs), len(outcomes))
	if len(errs) < len(outcomes) {
		summary = partial{summary.Error()}
	}
	return errors.Join(append(told, summary)...)
}

// partial is tenant.ErrPartial in words of its own.
type partial struct{ message string }

func (e partial) Error() string { return e.message }
func (e partial) Unwrap() error { return tenant.ErrPartial }

// printOutcomes writes what came of each tenant. Its error is theirs.
func printOutcomes(p output.Printer, outcomes []outcome) error {
	names := make([]string, len(outcomes))
	for i, o := range outcomes {
		names[i] = "tenant/" + string(o.Tenant)
	}
	if outcomes == nil {
		outcomes = []outcome{}
	}
	err := p.List("OutcomeList", outcomes, output.View{Names: names, Table: func(w io.Writer) error {
		if len(outcomes) == 0 || len(outcomes) == 1 && outcomes[0].err != nil {
			return nil // the error says it all
		}
		grid := output.NewGrid("NAME", "RESULT", ">TIME", "DETAIL").Style(resultDone, terminal.Green).
			Style(resultFailed, terminal.Red).Style(resultSkipped, terminal.Yellow)
		for _, o := range outcomes {
			detail := o.Detail
			if o.err != nil && detail == "" {
				detail = "see the error"
			}
			grid.Row(string(o.Tenant), o.Result, look.Duration(time.Duration(o.Seconds*float64(time.Second))), detail)
		}
		return grid.Write(w, p.Width, p.Color)
	}})
	return errors.Join(err, outcomesError(outcomes))
}

// sorted orders outcomes by tenant.
func sorted(outcomes []outcome) []outcome {
	slices.SortStableFunc(outcomes, func(a, b outcome) int { return strings.Compare(string(a.Tenant), string(b.Tenant)) })
	return outcomes
}
