package copy

// SessionSettings pins how values are written as text, that no policy hides rows, and that a scan begins at the first
// page and runs in one process, so that the n-th row of a stream can be found again.
func SessionSettings(searchPath string) map[string]string {
	return map[string]string{
		"search_path":                     searchPath,
		"DateStyle":                       "ISO, YMD",
		"IntervalStyle":                   "postgres",
		"TimeZone":                        "UTC",
		"bytea_output":                    "hex",
		"extra_float_digits":              "3",
		"lc_monetary":                     "C",
		"xmloption":                       "content",
		"row_security":                    "off",
		"synchronize_seqscans":            "off",
		"max_parallel_workers_per_gather": "0",
	}
}
