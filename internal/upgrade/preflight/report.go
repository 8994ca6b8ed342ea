package preflight

import (
	"fmt"
	"time"

	"tenantctl/internal/postgres"
)

// take makes a finding of an answer, unless it says that nothing is in the way.
func (a *asker) take(e errand, i item, got answer) {
	a.mutex.Lock()
	a.report.Asked++
	a.mutex.Unlock()
	amount := Amount{Count: got.number}
	if _, ok := i.question.(rewrite); ok {
		amount = Amount{Bytes: got.number, rate: a.Rate}
		amount.Takes = time.Duration(float64(got.number) / float64(a.Rate) * float64(time.Second)).Round(100 * time.Millisecond)
		if amount.Bytes < a.LeastRewrite {
			return
		}
	} else if amount.Count > int64(a.Limit) {
		amount.Count, amount.More = int64(a.Limit), true
	}
	if amount.Count > 0 || amount.Bytes > 0 {
		a.add(e, i, amount, got.samples)
	}
}

// add adds what a question found.
func (a *asker) add(e errand, i item, amount Amount, samples []string) {
	f := a.finding(e, i)
	f.Amount, f.Samples = amount, samples
	f.Severity = Blocking
	f.Message = i.question.found(amount, f.Table)
	f.Next = i.question.next(f.Table)
	mender := i.mender().certain
	if mender == "" {
		mender = i.carried
	}
	switch {
	case f.Kind == Rewrite:
		f.Severity = Cost
	case mender != "":
		f.Severity = Warning
		f.Message += fmt.Sprintf("; %s may mend that", mender)
	}
	a.put(f)
}

// unknown adds a question that has no answer. The server's own words may quote a row, so they aren't shown.
func (a *asker) unknown(e errand, i item, cause error) {
	f := a.finding(e, i)
	f.Severity = Unknown
	code := postgres.Code(cause)
	switch code {
	case "57014":
		f.Message = fmt.Sprintf("%s of %s: not known, the question ran longer than %s", f.Kind, f.Table, a.Timeout)
		f.Next = "ask again with more time, or see what a trial run says"
	case "55P03":
		f.Message = fmt.Sprintf("%s of %s: not known, the table was locked for longer than %s", f.Kind, f.Table, lockTimeout)
		f.Next = "ask again"
	case "42501":
		f.Message = fmt.Sprintf("%s of %s: not known, role %s may not read it", f.Kind, f.Table, e.hands.Role)
		f.Next = "see who owns the table: a role that may not read it can't change it either"
	default:
		f.Message = fmt.Sprintf("%s of %s: not known, the question fails with SQLSTATE %s", f.Kind, f.Table, code)
		f.Next = "see what a trial run says"
	}
	a.mutex.Lock()
	a.report.Asked++
	a.mutex.Unlock()
	a.put(f)
}

func (a *asker) finding(e errand, i item) Finding {
	return Finding{
		Tenant: e.member.Tenant, Instance: e.member.Instance, Service: i.service, File: i.file, Line: i.line, Statement: i.statement,
		Kind: i.question.kind(), Table: i.at.table.Name,
	}
}

func (a *asker) put(f Finding) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.report.Findings = append(a.report.Findings, f)
}
