package upgrade

import (
	"fmt"

	"tenantctl/internal/look"
)

// Title is what a wave is called wherever its rollout is shown.
func (w Wave) Title(waves int) string {
	return fmt.Sprintf("wave %*d of %d  %s", len(fmt.Sprint(waves)), w.Number, waves, w.Ring)
}

// WaveGauge is how far a wave is, to who typed the command and in the dashboard alike. More may be said behind it.
func WaveGauge(sign string, w Wave, waves, done, failed int, more ...string) look.Item {
	return look.Item{Sign: sign, Name: w.Title(waves), Share: float64(done) / float64(max(w.Size, 1)), Said: append(Counted(done, failed, w.Size), more...)}
}

// Counted says how many of some tenants are through, and how many of those failed.
func Counted(done, failed, of int) []string {
	said := []string{fmt.Sprintf("%s of %s", look.Count(int64(done)), look.Count(int64(of)))}
	if failed > 0 {
		said = append(said, look.Count(int64(failed))+" failed")
	}
	return said
}

// Line is what a gate said of a wave.
func (j Judgement) Line(wave int) string {
	return fmt.Sprintf("gate %s, wave %d: %s: %s", j.Gate, wave, j.Verdict, j.Message)
}
