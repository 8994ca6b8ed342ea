package tui

import (
	"context"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/upgrade"
)

// rolloutsPage lists the newest rollouts.
type rolloutsPage struct {
	quiet
	app  *app
	all  []upgrade.Rollout
	read bool
	at   int
	top  int
}

func newRolloutsPage(a *app) *rolloutsPage { return &rolloutsPage{app: a} }

func (p *rolloutsPage) crumb() string { return "rollouts" }

const maxRollouts = 50

func (p *rolloutsPage) ask(ctx context.Context, from Source) (any, error) {
	return from.Rollouts(ctx, maxRollouts)
}

func (p *rolloutsPage) take(answer any) {
	if all, ok := answer.([]upgrade.Rollout); ok {
		p.all, p.read = all, true
		p.at = max(min(p.at, len(all)-1), 0)
	}
}

func (p *rolloutsPage) bindings() []binding {
	return append([]binding{{keys: "enter", does: "the rollout: waves, gates, who failed and why", short: "open"}}, moving()...)
}

func (p *rolloutsPage) key(msg tea.KeyMsg) tea.Cmd {
	if to, moved := move(msg.String(), p.at, len(p.all), p.app.bodyHeight()-1); moved {
		p.at = to
	} else if msg.String() == "enter" && len(p.all) > 0 {
		return p.app.open(newRolloutPage(p.app, p.all[p.at].ID))
	}
	return nil
}

func (p *rolloutsPage) copyText() string {
	if len(p.all) == 0 {
		return ""
	}
	return p.all[p.at].ID
}

func (p *rolloutsPage) lines(width, height int) []string {
	th := &p.app.theme
	if len(p.all) == 0 {
		what := "no rollout yet; U on the fleet begins one"
		if !p.read {
			what = p.app.waiting("reading the rollouts …")
		}
		return []string{th.draw(text(dim, what), width)}
	}
	out := []string{th.draw(text(dim, "  "+fit("NAME", 6)+fit("STATE", 12)+fit("WAVE", 8)+fit("BEGAN", 8)+fit("TO", 20)+"BY, WHY"), width)}
	p.top = window(p.top, p.at, len(p.all), height-1)
	for i := p.top; i < min(p.top+height-1, len(p.all)); i++ {
		r := p.all[i]
		sign := map[bool]string{true: "▸ ", false: "  "}[i == p.at]
		l := text(strong, sign).with(accent, fit(r.ID, 6)).with(rolloutLook(r.State), fit(string(r.State), 12)).
			with(plain, fit(fmt.Sprintf("%d of %d", r.Wave, len(r.Waves)), 8)).with(dim, fit(ageOf(p.app.now(), r.Started), 8)).
			with(plain, fit(upgrade.TargetsText(r.Targets), 20)).with(dim, r.Actor).with(bad, reasonText(r.Error))
		if i == p.at {
			out = append(out, th.drawCursor(l, width))
		} else {
			out = append(out, th.draw(l, width))
		}
	}
	return out
}

func rolloutLook(s upgrade.State) role {
	switch s {
	case upgrade.Running:
		return accent
	case upgrade.Stopped, upgrade.Partial:
		return bad
	case upgrade.Paused, upgrade.Reverting:
		return warn
	case upgrade.Done, upgrade.RolledBack:
		return good
	case upgrade.Superseded:
	}
	return plain
}
