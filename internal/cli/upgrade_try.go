package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"tenantctl/internal/drift"
	"tenantctl/internal/look"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/trial"
)

// triedCohort is a cohort of tenants with the same versions and the same catalog, and what its files did to one of them.
type triedCohort struct {
	trial.Report
	Fingerprint string        `json:"fingerprint"`
	Names       []tenant.Name `json:"names"`
	Error       string        `json:"error,omitempty"` // why it couldn't be tried
}

// tryOut tries the files on one tenant of each cohort.
func (f *Factory) tryOut(ctx context.Context, u *upgrade.Upgrader, p upgrade.Proposal) ([]triedCohort, error) {
	cohorts, err := byFingerprint(ctx, u, upgrade.Cohorts(u.Streams, p.Targets, p.Tenants))
	if err != nil {
		return nil, err
	}
	parallel := 1
	for _, wave := range p.Waves {
		parallel = max(parallel, wave.Parallel)
	}
	tried := make([]triedCohort, 0, len(cohorts))
	for _, cohort := range cohorts {
		report, err := trial.Run(ctx, u.Instance, cohort, trial.Options{Parallel: parallel})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		t := triedCohort{Report: report, Fingerprint: cohort.Fingerprint}
		if err != nil {
			t.Cohort, t.Tenants, t.Error = cohort.String(), len(cohort.Members), f.mask(err.Error())
		}
		for _, m := range cohort.Members {
			t.Names = append(t.Names, m.Tenant)
		}
		tried = append(tried, t)
	}
	return tried, nil
}

// byFingerprint divides cohorts further, by what their tenants' catalogs hold.
func byFingerprint(ctx context.Context, u *upgrade.Upgrader, cohorts []upgrade.Cohort) ([]upgrade.Cohort, error) {
	var divided []upgrade.Cohort
	for _, cohort := range cohorts {
		prints, err := fingerprints(ctx, u, cohort)
		if err != nil {
			return nil, err
		}
		at := map[string]int{}
		for _, m := range cohort.Members {
			i, known := at[prints[m.Tenant]]
			if !known {
				i = len(divided)
				at[prints[m.Tenant]] = i
				divided = append(divided, upgrade.Cohort{Stretches: cohort.Stretches, Fingerprint: prints[m.Tenant]})
			}
			divided[i].Members = append(divided[i].Members, m)
		}
	}
	return divided, nil
}

// fingerprints looks at the catalogs of a cohort's tenants, instance by instance.
func fingerprints(ctx context.Context, u *upgrade.Upgrader, cohort upgrade.Cohort) (map[tenant.Name]string, error) {
	found := map[tenant.Name]string{}
	byInstance := map[string][]upgrade.Member{}
	for _, m := range cohort.Members {
		byInstance[m.Instance] = append(byInstance[m.Instance], m)
	}
	for name, members := range byInstance {
		instance, err := u.Instance(ctx, name)
		if err != nil {
			return nil, err
		}
		if err := fingerprintsOn(ctx, instance, cohort.Stretches, members, found); err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
	}
	return found, nil
}

func fingerprintsOn(ctx context.Context, instance upgrade.Instance, stretches []upgrade.Stretch, members []upgrade.Member, found map[tenant.Name]string) error {
	conn, err := postgres.Connect(ctx, instance.DSN, postgres.Options{Application: "upgrade"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var owners, schemas []string
	for _, stretch := range stretches {
		hands, err := instance.Hands(members[0], stretch.Stream.Service)
		if err != nil {
			return err
		}
		owners = append(owners, hands.Role)
	}
	for _, m := range members {
		schemas = append(schemas, m.Schema)
	}
	prints, err := drift.Fingerprints(ctx, conn, schemas, owners)
	if err != nil {
		return err
	}
	for _, m := range members {
		found[m.Tenant] = prints[m.Schema]
	}
	return nil
}

const shownFingerprint = 8

// write tells a person what the files did, and about how long they take.
func (t triedCohort) write(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "cohort %s, catalog %s: %s, %s\n", t.Cohort, t.Fingerprint[:min(len(t.Fingerprint), shownFingerprint)],
		look.Plural(int64(t.Tenants), "tenant", "tenants"), listed(t.Names))
	if t.Error != "" {
		fmt.Fprintf(&text, "  not tried: %s\n", t.Error)
		_, err := io.WriteString(w, text.String())
		return err
	}
	fmt.Fprintf(&text, "  tried on %s (%s) and rolled back after %s\n", t.Tried.Tenant, t.Why, look.Duration(t.Held))
	for _, file := range t.Files {
		writeTriedFile(&text, file)
	}
	for _, s := range t.Sequences {
		fmt.Fprintf(&text, "  sequence %s moved, which a rollback doesn't take back\n", s.Name)
	}
	e := t.Estimate
	fmt.Fprintf(&text, "  estimate: about %s for all of them", look.Duration(e.Wall))
	if len(t.Names) > 1 && e.Longest > 0 {
		fmt.Fprintf(&text, ", the longest %s with %s", e.Tenant, look.Duration(e.Longest))
	}
	if len(e.Untried) > 0 {
		fmt.Fprintf(&text, "; without %s", strings.Join(e.Untried, ", "))
	}
	fmt.Fprintln(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

const shownStatement = 100

func writeTriedFile(text *strings.Builder, file trial.File) {
	note := ""
	if file.Note != "" {
		note = ": " + file.Note
	}
	if file.Failure != nil {
		note = ": " + file.Failure.String()
	}
	fmt.Fprintf(text, "  %s %s %s in %s%s\n", file.Service, file.Path, file.Result, look.Duration(file.Elapsed), note)
	for _, s := range file.Statements {
		fmt.Fprintf(text, "    %d: %s\n", s.Line, look.Cut(strings.Join(strings.Fields(s.SQL), " "), shownStatement))
	}
	for _, l := range file.Locks {
		what := ""
		if l.Rewritten {
			what = ", rewritten"
		} else if l.Scanned {
			what = ", read through"
		}
		fmt.Fprintf(text, "    %s on %s (%s, %s)%s\n", l.Mode, l.Table, look.Plural(l.Rows, "row", "rows"), look.Bytes(l.Bytes), what)
	}
}
