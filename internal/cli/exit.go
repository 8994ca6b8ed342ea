package cli

import (
	"context"
	"errors"

	"tenantctl/internal/tenant"
)

// The exit codes, as `tenantctl help exit-codes` tells them.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitChanges     = 2
	ExitUsage       = 3
	ExitAuth        = 4
	ExitPartial     = 5
	ExitConflict    = 6
	ExitStopped     = 7
	ExitInterrupted = 130
)

// ExitCode is what the process ends with. What was interrupted or done in part says so whatever else went wrong in it.
func ExitCode(err error) int {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return ExitOK
	case is(tenant.ErrInterrupted, context.Canceled):
		return ExitInterrupted
	case is(tenant.ErrPartial):
		return ExitPartial
	case is(tenant.ErrChanges):
		return ExitChanges
	case is(tenant.ErrAuth):
		return ExitAuth
	case is(tenant.ErrConflict, tenant.ErrLocked, tenant.ErrLeaseLost):
		return ExitConflict
	case is(tenant.ErrStopped):
		return ExitStopped
	case is(tenant.ErrInvalid):
		return ExitUsage
	}
	return ExitFailure
}

const exitCodesHelp = `Every command ends with one of these codes, so that scripts and CI can tell what happened:

  0    done, or nothing to do
  1    failed: a server, a file, a refused move, a check of doctor, drift
  2    changes are pending, or drift was found (only with --detailed-exitcode)
  3    usage: an unknown flag or name, a tenants.yaml that breaks a rule, a question with nobody to answer it
  4    authentication: a server declined user or password
  5    partial: of several tenants, some failed; the others are done
  6    conflict or locked: something isn't ours, changed meanwhile, or another process works on it
  7    stopped at a gate
  130  interrupted; what can be resumed goes on when the command is run again

A move that stops where --stop-before told it to has done what was asked: 0.`
