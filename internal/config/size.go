package config

import (
	"regexp"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with PostgreSQL's units, of 1024 each: 512MB, 10GB.
type Size int64

const sizePattern = `^[1-9][0-9]{0,5}(kB|MB|GB|TB)$`

var sizeText = regexp.MustCompile(sizePattern)

// String writes what parse reads, in the largest unit that leaves a whole number.
func (v Size) String() string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	unit, n := 0, int64(v)
	for unit+1 < len(units) && n != 0 && n%1024 == 0 {
		unit, n = unit+1, n/1024
	}
	return strconv.FormatInt(n, 10) + units[unit]
}

func (v *Size) parse(text string, _ spot) error {
	if !sizeText.MatchString(text) {
		return unexpected(v, text)
	}
	digits := strings.TrimRight(text, "kMGTB")
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return unexpected(v, text)
	}
	power := strings.Index("kMGT", text[len(digits):len(digits)+1]) + 1
	*v = Size(number << (10 * power))
	return nil
}

func (v *Size) wants() string { return "a size with its unit, such as 512MB or 10GB" }

func (v *Size) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: sizePattern, Examples: []any{"512MB", "10GB"}}
}
