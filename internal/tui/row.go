package tui

import (
	"slices"
	"strings"

	"tenantctl/internal/tenant"
)

// row is a line of the fleet with what is asked of it again and again, made once when it was read.
type row struct {
	Tenant
	need     need
	versions string
	search   string
}

// rowsOf makes rows, away from the app: of a large fleet that is more than a frame's time.
func rowsOf(fleet []Tenant) []row {
	rows := make([]row, len(fleet))
	texts := map[string]string{} // equal texts once, for a large fleet's memory
	for i, t := range fleet {
		versions := tenant.VersionsText(t.Versions)
		if known, there := texts[versions]; there {
			versions = known
		}
		texts[versions] = versions
		rows[i] = row{Tenant: t, need: needOf(&t), versions: versions, search: searchText(&t)}
	}
	return rows
}

// searchText is what words of a filter look at.
func searchText(t *Tenant) string {
	s := string(t.Name)
	if t.Operation != nil {
		s += " " + t.Operation.Kind + " " + t.Operation.Phase + " " + t.Operation.Error
	}
	return strings.ToLower(s)
}

// values are what a key of a filter is compared with.
func (r *row) values(key string) []string {
	switch key {
	case "ring":
		return []string{r.Ring}
	case "state":
		return []string{string(r.State)}
	case "route":
		return []string{string(r.Route)}
	case "instance":
		return []string{r.Instance}
	case "cell":
		return []string{r.Cell}
	case "service":
		return r.Services
	case "op":
		if r.Operation != nil {
			return []string{r.Operation.Kind, r.Operation.Phase, string(r.Operation.State)}
		}
	case "need":
		return []string{r.need.word()}
	}
	return nil
}

func byName(r row, name tenant.Name) int { return strings.Compare(string(r.Name), string(name)) }

// merge puts rows that were asked for by name in the place of those that were known. Those that weren't answered are gone.
func merge(fleet []row, asked []tenant.Name, rows []row) []row {
	news := rows[:0:0]
	for _, r := range rows {
		if i, known := slices.BinarySearchFunc(fleet, r.Name, byName); known {
			fleet[i] = r
		} else {
			news = append(news, r)
		}
	}
	if len(rows) < len(asked) {
		fleet = slices.DeleteFunc(fleet, func(r row) bool {
			_, was := slices.BinarySearch(asked, r.Name)
			_, is := slices.BinarySearchFunc(rows, r.Name, byName)
			return was && !is
		})
	}
	if len(news) > 0 {
		fleet = append(fleet, news...)
		slices.SortFunc(fleet, func(x, y row) int { return byName(x, y.Name) })
	}
	return fleet
}
