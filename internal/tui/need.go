package tui

import (
	"strings"
	"time"

	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

// need is how much a tenant needs somebody. Higher comes first.
type need int

const (
	needNothing  need = iota
	needPatience      // work on it is under way
	needDecision      // work stopped where it was told to, or its state was set by hand
	needHelp          // work failed or died; a file left it half done
	needHaste         // and its client can't write meanwhile
)

// needOf judges a tenant by what the fleet's line tells.
func needOf(t *Tenant) need {
	op := t.Operation
	switch {
	case op == nil && halfDone(t):
		return needHelp
	case op == nil && t.Route == tenant.RouteHold:
		return needHelp
	case op == nil && t.Override != "":
		return needDecision
	case op == nil:
		return needNothing
	case op.State == tenant.OperationRunning && op.Runner != "":
		return needPatience
	case migrate.MayBlock(op):
		return needHaste
	case op.State == tenant.OperationStopped:
		return needDecision
	}
	return needHelp
}

func halfDone(t *Tenant) bool {
	for _, v := range t.Versions {
		if v.Dirty {
			return true
		}
	}
	return false
}

// sign is the need as one character, word as one word, look as a role: each tells it alone.
func (n need) sign() string { return [...]string{" ", ">", "?", "!", "X"}[n] }

func (n need) word() string {
	return [...]string{"nothing", "patience", "decision", "help", "haste"}[n]
}
func (n need) look() role { return [...]role{plain, accent, warn, bad, bad}[n] }

// stateLook is how a tenant's state looks.
func stateLook(s tenant.State) role {
	switch s {
	case tenant.Active:
		return good
	case tenant.Suspended, tenant.Archived:
		return warn
	case tenant.Deleted:
		return bad
	}
	return dim
}

func routeLook(r tenant.Route) role {
	if r == tenant.RouteHold {
		return warn
	}
	return plain
}

// standing is what a tenant's line says last: the operation, else what was set by hand.
func standing(t *Tenant, now time.Time) string {
	if t.Operation != nil {
		text := migrate.Standing(t.Operation, now)
		if t.Operation.Error != "" && t.Operation.State == tenant.OperationFailed {
			text += ": " + firstLine(t.Operation.Error)
		}
		return text
	}
	var parts []string
	if t.Override != "" {
		parts = append(parts, "by hand: "+t.Override)
	}
	if !t.Declared {
		parts = append(parts, "no longer declared")
	}
	return strings.Join(parts, "; ")
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
