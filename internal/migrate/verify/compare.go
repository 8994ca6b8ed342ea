package verify

import (
	"sort"

	"tenantctl/internal/migrate/copy"
)

// Proof is the comparison of one target with all that feeds it.
type Proof struct {
	Target  copy.Target `json:"target"`
	Sources []string    `json:"sources"` // legacy tables
	Format  copy.Format `json:"format"`
	Source  copy.Sum    `json:"source"`
	Read    copy.Sum    `json:"read"` // what the target holds
	Equal   bool        `json:"equal"`
	// Generated names the columns, where the proof is of them: stored here as the legacy has them, computed there.
	Generated []string `json:"generated,omitempty"`
	// Differences names rows by key where the sums differ, up to a limit.
	Differences *Differences `json:"differences,omitempty"`
}

// Compare sets what was sent against what was read back, target by target, sorted by name.
func Compare(tables []copy.Table, sent, read map[string]copy.Sum) []Proof {
	proofs := map[copy.Target]*Proof{}
	for _, t := range tables {
		proof := proofs[t.Target]
		if proof == nil {
			proof = &Proof{Target: t.Target, Format: t.Format, Read: read[t.Name]}
			proofs[t.Target] = proof
		}
		proof.Sources = append(proof.Sources, t.Name)
		proof.Source.Merge(sent[t.Name])
	}
	list := make([]Proof, 0, len(proofs))
	for _, proof := range proofs {
		proof.Equal = proof.Source.Same(proof.Read)
		list = append(list, *proof)
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i].Target, list[j].Target
		return a.Schema < b.Schema || (a.Schema == b.Schema && a.Name < b.Name)
	})
	return list
}
