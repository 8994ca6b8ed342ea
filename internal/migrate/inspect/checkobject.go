package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/code.sql
	codeSQL string
	//go:embed sql/objects.sql
	objectsSQL string
)

// objectRow is an object that a move must say something about.
type objectRow struct {
	Kind   string
	Object string // as pg_identify_object names it: function public.f(integer)
	Detail string
}

// verdict is what is to be said about a kind of object. %s in the message stands for the row's detail.
type verdict struct {
	severity      Severity
	message, hint string
	// superuser: only where the target's administrator is none.
	superuser bool
}

const asSuperuser = "drop it, or give the tenant's instance the DSN of a superuser"

// code judges functions, languages and casts.
func (c *checker) code(ctx context.Context) error {
	return c.judge(ctx, codeSQL, func(r objectRow) (verdict, bool) {
		v, ok := codeVerdicts()[r.Kind]
		return v, ok
	})
}

func codeVerdicts() map[string]verdict {
	return map[string]verdict{
		"native-function": {
			severity: Refusal, message: "is compiled code (language %s), which works only where its library is installed and could read every tenant's data",
			hint: "drop it, or rewrite it in SQL or PL/pgSQL",
		},
		"untrusted-language": {
			severity: Refusal, message: "is in language %s, which isn't trusted: on a shared server it could read every tenant's files and data",
			hint: "rewrite it in a trusted language",
		},
		"leakproof":          {severity: Refusal, superuser: true, message: "is LEAKPROOF, which only a superuser may say", hint: "ALTER FUNCTION ... NOT LEAKPROOF, or give the tenant's instance the DSN of a superuser"},
		"support-function":   {severity: Refusal, superuser: true, message: "has a planner support function, which only a superuser may set", hint: asSuperuser},
		"internal-aggregate": {severity: Refusal, superuser: true, message: "keeps its state in type internal, which only a superuser may make", hint: asSuperuser},
		"function-setting":   {severity: Refusal, message: "sets %s, which only a superuser may set: each call by the tenant's role would fail", hint: "ALTER FUNCTION ... RESET it"},
		"binary-cast":        {severity: Refusal, superuser: true, message: "is WITHOUT FUNCTION, which only a superuser may make", hint: asSuperuser},
		"language":           {severity: Refusal, message: "isn't an extension's, and a language belongs to the whole database", hint: "drop it, and install it as an extension"},
		"transform":          {severity: Refusal, message: "belongs to the whole database: it would change every tenant's functions", hint: "drop it"},
		"foreign-cast": {
			severity: Warning, message: "joins two types that aren't the client's own; it stays behind, since it would work for every tenant",
			hint: "look for statements that rely on it, and cast in them",
		},
		"security-definer": {severity: Warning, message: "runs with the rights of its owner (here %s), after the move of the role that owns the tenant's schema", hint: "check what it may touch"},
	}
}

// objects judges what isn't code.
func (c *checker) objects(ctx context.Context) error {
	return c.judge(ctx, objectsSQL, func(r objectRow) (verdict, bool) {
		if v, ok := anyMoveVerdicts()[r.Kind]; ok {
			return v, true
		}
		if v, ok := objectVerdicts()[r.Kind]; ok && c.opts.Lift {
			return v, r.Kind != "dictionary-file" || !builtinStopwords(r.Detail)
		}
		return verdict{}, false
	})
}

// anyMoveVerdicts concern moves by mapping as well.
func anyMoveVerdicts() map[string]verdict {
	return map[string]verdict{
		"subscription-enabled": {severity: Refusal, message: "writes into the legacy database, also behind a fence: its rows would be lost", hint: "ALTER SUBSCRIPTION ... DISABLE before the move"},
		"event-trigger":        {severity: Warning, message: "fires on %s, also where writes are stopped and allowed again; it stays behind, since it would fire for every tenant", hint: "see that it lets a schema and triggers be made and dropped"},
		"publication":          {severity: Note, message: "stays behind: whoever subscribes to it gets nothing after the move", hint: ""},
		"subscription":         {severity: Note, message: "is disabled and stays behind", hint: ""},
		"foreign-server":       {severity: Warning, message: "stays behind, since every tenant could use it", hint: "look for code that reaches other servers through it"},
		"user-mapping":         {severity: Note, message: "stays behind, with its password", hint: ""},
	}
}

func objectVerdicts() map[string]verdict {
	return map[string]verdict{
		"base-type": {severity: Refusal, message: "is a type made of compiled functions", hint: "use a domain or a composite type instead"},
		"operator-class": {
			severity: Refusal, superuser: true, message: "decides how indexes compare, which only a superuser may define",
			hint: asSuperuser,
		},
		"access-method": {severity: Refusal, message: "is compiled code and belongs to the whole database", hint: "drop it, with the tables or indexes that use it rebuilt"},
		"text-search":   {severity: Refusal, message: "is made of compiled functions, which only a superuser may define", hint: "use one of PostgreSQL's own"},
		"dictionary-file": {
			severity: Warning, message: "reads files of the server: %s; without them on the target server nothing that uses it loads",
			hint: "copy them into the target server's tsearch_data folder",
		},
		"default-acl":     {severity: Note, message: "default privileges stay behind: grants are the platform's"},
		"system-object":   {severity: Refusal, message: "was put into %s, which belongs to PostgreSQL and to every tenant", hint: "move it into a schema of the client's"},
		"extension-space": {severity: Refusal, message: "lies in a schema that belongs to extension %s", hint: "ALTER ... SET SCHEMA to one of the client's"},
	}
}

// builtinStopwords tells a dictionary that reads none but the stop words that every server has.
func builtinStopwords(options string) bool {
	lower := strings.ToLower(options)
	for _, key := range []string{"dictfile", "afffile", "synonyms", "rules"} {
		if strings.Contains(lower, key) {
			return false
		}
	}
	languages := []string{
		"danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian", "nepali", "norwegian", "portuguese", "russian",
		"spanish", "swedish", "turkish",
	}
	for _, language := range languages {
		if strings.Contains(lower, "stopwords = '"+language+"'") {
			return true
		}
	}
	return false
}

// judge runs a query of objects and says what the verdict on each is.
func (c *checker) judge(ctx context.Context, sql string, verdictOn func(objectRow) (verdict, bool)) error {
	rows, err := collect(ctx, c.source, pgx.RowToStructByName[objectRow], sql)
	if err != nil {
		return err
	}
	for _, r := range rows {
		v, ok := verdictOn(r)
		if !ok || (v.superuser && c.there.Superuser) {
			continue
		}
		message := v.message
		if strings.Contains(message, "%s") {
			message = fmt.Sprintf(message, r.Detail)
		}
		if v.superuser {
			message += ", and role " + quote(c.there.User) + " of the target is none"
		}
		object := r.Object
		if r.Kind != "system-object" {
			object = strings.ReplaceAll(object, "pg_catalog.", "") // which people leave out
		}
		c.add(v.severity, r.Kind, object, message, v.hint)
	}
	return nil
}
