package postgres

import (
	"net/url"
	"regexp"
	"strings"
)

// A connection string is a URL or a list of keyword = value; libpq's rules for both are followed here textually, because a
// string that doesn't parse is shown too, and must not show its password either.
var (
	schemePrefix  = regexp.MustCompile(`^\s*[A-Za-z][A-Za-z0-9+.-]*://`)
	keywordPrefix = regexp.MustCompile(`^\s*[A-Za-z_]+\s*=`)
	passwordWord  = regexp.MustCompile(`(?is)([a-z_]*password[\s\v]*=[\s\v]*)('(?:[^'\\]|\\.)*(?:'[^\s\v]*|\\?$)|(?:[^\s\v\\]|\\.)+\\?|\\$)`)
	nextParameter = regexp.MustCompile(`&[A-Za-z_]+=`)
)

// MaskDSN is a connection string with its passwords replaced by ***. Where it can't tell what of a broken string is the
// password, it hides too much rather than too little.
func MaskDSN(dsn string) string {
	if keywordPrefix.MatchString(dsn) && !schemePrefix.MatchString(dsn) {
		return passwordWord.ReplaceAllString(dsn, "${1}***")
	}
	scheme := schemePrefix.FindString(dsn)
	rest := dsn[len(scheme):]
	var login string
	if end := strings.LastIndexByte(rest, '@'); end >= 0 {
		login, rest = rest[:end+1], rest[end+1:]
		if user, _, has := strings.Cut(login, ":"); has {
			login = user + ":***@"
		}
	}
	address, query, _ := strings.Cut(rest, "?")
	if query != "" {
		query = "?" + maskQuery(query)
	}
	return scheme + login + address + query
}

// maskQuery hides the values of password parameters, each up to what is clearly the next parameter.
func maskQuery(query string) string {
	var masked strings.Builder
	for query != "" {
		key, value, has := strings.Cut(query, "=")
		end := len(query)
		if next := nextParameter.FindStringIndex(value); has && next != nil {
			end = len(key) + 1 + next[0]
		}
		if isPassword(key) {
			masked.WriteString(key + "=***")
		} else {
			masked.WriteString(query[:end])
		}
		query = query[end:]
	}
	return masked.String()
}

// isPassword knows the parameter also when it is spelled with percent signs.
func isPassword(key string) bool {
	if plain, err := url.PathUnescape(key); err == nil {
		key = plain
	}
	return strings.Contains(strings.ToLower(key), "password")
}

// withoutPassword is the connection string that may be seen in a process list. The string must be a valid one.
func withoutPassword(dsn string) string {
	scheme := schemePrefix.FindString(dsn)
	if scheme == "" {
		return strings.TrimSpace(passwordWord.ReplaceAllString(dsn, ""))
	}
	rest := dsn[len(scheme):]
	var user string
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		user, _, _ = strings.Cut(rest[:i], ":")
		user, rest = user+"@", rest[i+1:]
	}
	address, query, _ := strings.Cut(rest, "?")
	var kept []string
	for _, pair := range strings.Split(query, "&") {
		if key, _, _ := strings.Cut(pair, "="); pair != "" && !isPassword(key) {
			kept = append(kept, pair)
		}
	}
	if len(kept) > 0 {
		address += "?" + strings.Join(kept, "&")
	}
	return scheme + user + address
}
