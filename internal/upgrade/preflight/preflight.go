package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tenantctl/internal/upgrade"
)

// Options bound what is asked. The zero value is what a fleet that serves traffic can bear.
type Options struct {
	// Parallel is how many tenants of an instance are asked at once; 0 means 2.
	Parallel int
	// Timeout bounds each question; 0 means 30 s.
	Timeout time.Duration
	// Limit is up to where rows are counted; 0 means 10,000.
	Limit int
	// Samples is how many keys are shown; 0 means 5.
	Samples int
	// LeastRewrite is the size from which a table that is written anew is reported; 0 means 16 MB.
	LeastRewrite int64
	// Rate is how many bytes of a table and its indexes are assumed to be written anew in a second; 0 means 32 MB.
	Rate int64
}

const (
	defaultParallel     = 2
	defaultTimeout      = 30 * time.Second
	defaultLimit        = 10_000
	defaultSamples      = 5
	defaultLeastRewrite = 16 << 20
	defaultRate         = 32 << 20
)

func (o Options) withDefaults() Options {
	o.Parallel = cmp.Or(o.Parallel, defaultParallel)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.Limit = cmp.Or(o.Limit, defaultLimit)
	o.Samples = cmp.Or(o.Samples, defaultSamples)
	o.LeastRewrite = cmp.Or(o.LeastRewrite, defaultLeastRewrite)
	o.Rate = cmp.Or(o.Rate, defaultRate)
	return o
}

// Report is what was found.
type Report struct {
	Findings []Finding     `json:"findings"` // by tenant, then in the order of the statements
	Tenants  int           `json:"tenants"`  // that were asked about
	Asked    int           `json:"asked"`    // questions
	Elapsed  time.Duration `json:"elapsed"`
}

// Blocked counts the tenants that will fail.
func (r Report) Blocked() int {
	tenants := map[string]bool{}
	for _, f := range r.Findings {
		if f.Blocks() {
			tenants[string(f.Tenant)] = true
		}
	}
	return len(tenants)
}

// Check asks every tenant of the cohorts whose files hold a risky statement. An instance that can't be asked is in the error;
// what was found on the others is in the report all the same.
func Check(ctx context.Context, instance func(ctx context.Context, name string) (upgrade.Instance, error), cohorts []upgrade.Cohort, opts Options) (Report, error) {
	began := time.Now()
	subjects := map[string][]subject{}
	for _, cohort := range cohorts {
		risks := read(cohort.Stretches)
		if len(risks) == 0 {
			continue
		}
		for _, m := range cohort.Members {
			subjects[m.Instance] = append(subjects[m.Instance], subject{member: m, risks: risks})
		}
	}
	var report Report
	var errs []error
	var mutex sync.Mutex
	var group sync.WaitGroup
	for name, here := range subjects {
		group.Go(func() {
			found, err := askInstance(ctx, instance, name, here, opts.withDefaults())
			mutex.Lock()
			defer mutex.Unlock()
			report.Findings = append(report.Findings, found.Findings...)
			report.Tenants += len(here)
			report.Asked += found.Asked
			if err != nil {
				errs = append(errs, fmt.Errorf("instance %q: %w", name, err))
			}
		})
	}
	group.Wait()
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return strings.Compare(string(a.Tenant), string(b.Tenant)) })
	report.Elapsed = time.Since(began)
	return report, errors.Join(errs...)
}
