package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// reference is a ${NAME} in a text.
type reference struct {
	start, end int
	name       string
}

const (
	variableName = `[A-Za-z_][A-Za-z0-9_]*`
	// stands in for a reference while the text around it is judged; no URL or keyword syntax
	stand = "\uE002"
)

var referenceText = regexp.MustCompile(`[$][{](` + variableName + `)[}]`)

func references(text string) []reference {
	if !strings.Contains(text, "${") {
		return nil
	}
	if name, whole := wholeReference(text); whole {
		return []reference{{end: len(text), name: name}}
	}
	var found []reference
	for _, m := range referenceText.FindAllStringSubmatchIndex(text, -1) {
		found = append(found, reference{start: m[0], end: m[1], name: text[m[2]:m[3]]})
	}
	return found
}

// wholeReference is the variable of a text that is nothing but ${NAME}, as nearly all are.
func wholeReference(text string) (name string, whole bool) {
	name, whole = strings.CutPrefix(text, "${")
	if whole {
		name, whole = strings.CutSuffix(name, "}")
	}
	return name, whole && isVariable(name)
}

func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// checkReferences refuses a ${ that doesn't begin the name of a variable. It doesn't repeat what stands there.
func checkReferences(text string) error {
	if strings.Count(text, "${") == len(references(text)) {
		return nil
	}
	return errors.New("${ must be followed by the name of a variable and }, such as ${SHARED_1_DSN}; defaults and other " +
		"expressions aren't understood")
}

var passwordPair = regexp.MustCompile(`(?i)(?:password|passwd|pwd|secret)[a-z_]*\s*=\s*('(?:[^'\\]|\\.)*'?|[^\s&]*)`)

// holdsPassword tells whether a connection string has a password that is anything but a single reference: user:password@ of
// a URL, or password= as keyword or query parameter.
func holdsPassword(text string) bool {
	if _, whole := wholeReference(text); whole {
		return false
	}
	bare := referenceText.ReplaceAllString(text, stand)
	pairs := bare
	if unescaped, err := url.PathUnescape(bare); err == nil && unescaped != bare {
		pairs += " " + unescaped // a parameter's name may be escaped
	}
	for _, pair := range passwordPair.FindAllStringSubmatch(pairs, -1) {
		if value := strings.Trim(pair[1], "'"); value != "" && value != stand {
			return true
		}
	}
	_, password, _ := strings.Cut(userinfo(bare), ":")
	return password != "" && password != stand
}

// userinfo is what stands before the @ of a URL. A password may hold unescaped slashes, which makes the URL wrong but must
// not hide the password.
func userinfo(text string) string {
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return ""
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return authority[:at]
	}
	_, port, hasPort := strings.Cut(authority, ":")
	at := strings.LastIndexByte(rest, '@')
	if hasPort && strings.Trim(port, "0123456789"+stand) != "" && at >= 0 {
		return rest[:at]
	}
	return ""
}

// quoterAt says how a value is written where the reference stands. The text around it is data of the file, the value isn't:
// it is escaped as password or as query parameter of a URL, and as a value of the keyword form.
func quoterAt(text string, r reference) func(string) string {
	verbatim := func(s string) string { return s }
	before, after := text[:r.start], text[r.end:]
	if before == "" && after == "" {
		return verbatim
	}
	if scheme := strings.Index(text, "://"); scheme >= 0 {
		user := scheme + len("://")
		info := userinfo(text)
		inUserinfo := r.start >= user && r.start < user+len(info) && strings.Contains(info, ":")
		inQuery := strings.Contains(before, "?") && strings.HasSuffix(before, "=")
		if inUserinfo || inQuery {
			return func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
		}
		return verbatim
	}
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace
	switch {
	case strings.Count(before, "'")%2 == 1:
		return escape
	case strings.HasSuffix(strings.TrimRight(before, " "), "=") && (after == "" || after[0] == ' '):
		return func(s string) string { return "'" + escape(s) + "'" }
	}
	return verbatim
}

// variableFor suggests a variable for the value at a path: tenants.client-x.legacy.dsn becomes CLIENT_X_PASSWORD.
func variableFor(path, suffix string) string {
	keys := strings.Split(path, ".")
	name := keys[0]
	if len(keys) > 2 {
		name = keys[1]
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "TENANT_" + name
	}
	return strings.ToUpper(name) + "_" + suffix
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// fileKey is the key that names a file instead: dsnFile for dsn.
func fileKey(path string) string { return lastKey(path) + "File" }
