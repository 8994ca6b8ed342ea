package lint

import (
	"slices"
	"strings"

	"tenantctl/internal/lint/parse"
)

// volatility is whether an expression gives each row a value of its own.
type volatility int

const (
	steady   volatility = iota // one value for all rows of a statement
	volatile                   // another for each row
	unsure                     // calls a function that isn't PostgreSQL's own
)

// volatileFunctions are PostgreSQL's functions, and those of common extensions, that give another value at each call.
func volatileFunctions() []string {
	return []string{
		"random", "random_normal", "setseed", "clock_timestamp", "timeofday", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "setval", "currval", "lastval",
		"uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "gen_random_bytes", "gen_salt", "pg_sleep",
		"pg_advisory_lock", "pg_notify",
	}
}

// steadyFunctions are PostgreSQL's functions that defaults use and that give one value within a statement.
func steadyFunctions() []string {
	return []string{
		"now", "transaction_timestamp", "statement_timestamp", "current_setting", "current_schema", "current_user", "session_user", "timezone", "date_trunc",
		"date_part", "extract", "age", "make_date", "make_interval", "make_timestamp", "make_timestamptz", "to_char", "to_date", "to_timestamp", "to_number", "lower", "upper",
		"md5", "sha256", "encode", "decode", "concat", "concat_ws", "format", "length", "substr", "substring", "replace", "trim", "btrim", "ltrim", "rtrim", "lpad", "rpad",
		"left", "right", "repeat", "reverse", "coalesce", "greatest", "least", "nullif", "abs", "round", "floor", "ceil", "ceiling", "sign", "mod", "power", "sqrt",
		"json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "to_json", "to_jsonb", "array_append", "array_fill", "string_to_array",
		"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "to_tsvector", "point", "hashtext", "pg_backend_pid", "pg_current_xact_id", "txid_current",
	}
}

// volatilityOf judges an expression by the functions that it calls, and names the one that decided.
func volatilityOf(e parse.Expr) (volatility, string) {
	judged, by := steady, ""
	for _, call := range e.Calls() {
		name := call[strings.LastIndexByte(call, '.')+1:]
		switch {
		case slices.Contains(volatileFunctions(), name):
			return volatile, call
		case strings.Contains(call, "."), !slices.Contains(steadyFunctions(), name):
			judged, by = unsure, call
		}
	}
	return judged, by
}
