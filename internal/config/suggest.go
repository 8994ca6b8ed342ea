package config

import (
	"fmt"
	"strings"
)

// didYouMean ends a message about an unknown word: with the known word that was likely meant or, failing that, with what
// there is. kinds is the plural of what the words name.
func didYouMean(word string, known []string, kinds string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	switch {
	case len(known) == 0:
		return fmt.Sprintf("; the file declares no %s", kinds)
	case len(known) > 12:
		return fmt.Sprintf("; the file declares %d %s", len(known), kinds)
	}
	return fmt.Sprintf("; known %s: %s", kinds, strings.Join(known, ", "))
}

// nearest is the known word that differs least from the word, "" if none is close: a third of its letters may differ. Upper
// case, hyphens and underscores don't count, so that tenants_per_cell finds tenantsPerCell.
func nearest(word string, known []string) string {
	squeeze := strings.NewReplacer("-", "", "_", "").Replace
	folded := strings.ToLower(squeeze(word))
	best, bestDistance := "", max(1, len(folded)/3)+1
	if len(folded) > 64 {
		return ""
	}
	for _, candidate := range known {
		if d := distance(folded, strings.ToLower(squeeze(candidate))); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with their neighbor to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
