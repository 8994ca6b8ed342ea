package cli

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/tenant"
)

// report tells a person of an error: what happened, then what to type next.
func (f *Factory) report(err error) {
	if err == nil || isSilent(err) {
		return
	}
	writeError(f.Streams, err, f.mask)
}

func writeError(streams *terminal.Streams, err error, mask func(string) string) {
	for _, part := range parts(err) {
		text := strings.ReplaceAll(strings.TrimRight(mask(part.Error()), "\n"), "\n", "\n       ")
		writeLine(streams.Err, streams.PaintErr(terminal.Red, "error:")+" "+text)
	}
	var told []string
	for _, hint := range tenant.Hints(err) {
		if hint = mask(hint); !slices.Contains(told, hint) {
			told = append(told, hint)
			writeLine(streams.Err, streams.PaintErr(terminal.Green, "next:")+" "+hint)
		}
	}
}

// writeLine writes to the terminal; where that is gone there is nobody left to tell.
func writeLine(out io.Writer, text string) { _, _ = fmt.Fprintln(out, text) }

// parts are the errors that were joined, each to stand on a line of its own. An error that only wraps several causes is one.
func parts(err error) []error {
	outer := err
	for hinted, ok := outer.(*tenant.HintError); ok; hinted, ok = outer.(*tenant.HintError) { //nolint:errorlint // each link in turn
		outer = hinted.Err
	}
	joined, ok := outer.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	inner := joined.Unwrap()
	texts := make([]string, len(inner))
	for i, e := range inner {
		texts[i] = e.Error()
	}
	if strings.Join(texts, "\n") != outer.Error() {
		return []error{err}
	}
	var all []error
	for _, e := range inner {
		all = append(all, parts(e)...)
	}
	return all
}

var (
	urlLogin     = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"']*):[^\s@"']*@`)
	passwordPair = regexp.MustCompile(`(?i)(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'"&]+)`)
)

// maskText hides what looks like the password of a connection string within any text.
func maskText(text string) string {
	text = urlLogin.ReplaceAllStringFunc(text, func(login string) string {
		if strings.HasSuffix(login, ":password@") || strings.HasSuffix(login, ":PASSWORD@") {
			return login // an example
		}
		return urlLogin.ReplaceAllString(login, "${1}:***@")
	})
	return passwordPair.ReplaceAllString(text, "${1}***")
}
