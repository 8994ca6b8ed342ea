// Package report writes what lint found in the forms that others read: SARIF for code scanning, JUnit for CI servers, annotations
// and a summary for GitHub.
package report

import (
	"fmt"

	"tenantctl/internal/lint"
)

// text is a finding's message with the size of the table, where one is known.
func text(f lint.Finding) string {
	if f.Size == nil {
		return f.Message
	}
	return fmt.Sprintf("%s (about %d rows, %d MB in tenant %s)", f.Message, f.Size.Rows, f.Size.Bytes>>20, f.Size.Tenant)
}

// title is a rule's id and name.
func title(f lint.Finding) string { return f.Rule + " " + f.Name }
