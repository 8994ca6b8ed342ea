package mapping

import (
	"fmt"
	"strings"
)

// didYouMean ends a message about an unknown word: with the known word that was likely meant, else with what there is.
func didYouMean(word string, known []string, kinds string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	switch {
	case len(known) == 0:
		return "; there are no " + kinds
	case len(known) > 12:
		return fmt.Sprintf("; there are %d %s", len(known), kinds)
	}
	return fmt.Sprintf("; known %s: %s", kinds, strings.Join(known, ", "))
}

// nearest is the known word that differs least from the word, "" if none is close: a third of its letters may differ. Quotes,
// capitals and underscores don't count, so that order_id finds "OrderID".
func nearest(word string, known []string) string {
	wanted := squeeze(word)
	best, least := "", max(1, len(wanted)/3)+1
	for _, candidate := range known {
		if d := distance(wanted, squeeze(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func squeeze(word string) string {
	const longest = 128
	if len(word) > longest {
		word = word[:longest]
	}
	return strings.NewReplacer(`"`, "", "_", "", "-", "").Replace(strings.ToLower(word))
}

// distance counts the bytes to insert, drop, change or swap with their neighbor to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
