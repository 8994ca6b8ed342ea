package inspect

import (
	"fmt"
	"regexp"
	"strings"

	"tenantctl/internal/postgres"
)

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

// quote writes a name as people do: quoted only where it must be. (Reserved words are the exception: they stay bare, since
// nothing here is sent to a server.)
func quote(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return postgres.Ident(name)
}

// maxListed is how many names a message spells out.
const maxListed = 10

// list joins names for a sentence; beyond some it says how many more there are.
func list(names []string) string {
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}

// count writes a number of things: 1 table, 2 tables.
func count[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
