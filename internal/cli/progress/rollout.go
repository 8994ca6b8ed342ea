package progress

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/upgrade"
)

// Rollout shows how an upgrade of many tenants goes. It implements upgrade.Observer. Close it at the end.
type Rollout struct {
	streams *terminal.Streams
	mode    Mode
	now     func() time.Time

	mutex        sync.Mutex
	wave         upgrade.Wave
	waves        int
	began        time.Time
	done, failed int
	meter        look.Meter
	said         time.Time
}

// NewRollout begins to show a rollout.
func NewRollout(streams *terminal.Streams, mode Mode) *Rollout {
	return &Rollout{streams: streams, mode: mode.on(streams), now: time.Now}
}

// WaveBegan implements upgrade.Observer.
func (r *Rollout) WaveBegan(wave upgrade.Wave, waves int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.endWave()
	r.wave, r.waves, r.began, r.done, r.failed, r.meter, r.said = wave, waves, r.now(), 0, 0, look.Meter{}, r.now()
	r.meter.Add(r.began, 0, 0)
	switch r.mode {
	case JSON:
		r.json(event{Type: "wave", State: "started", Wave: wave.Number, Of: wave.Size, Message: wave.Ring})
	case Plain:
		r.line("%s begins: %s", r.name(), look.Plural(int64(wave.Size), "tenant", "tenants"))
	case Bar:
		r.show()
	case Auto, None:
	}
}

// TenantEnded implements upgrade.Observer.
func (r *Rollout) TenantEnded(o upgrade.Outcome) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.done++
	bad := o.Result == upgrade.Failed || o.Result == upgrade.Deferred
	if bad {
		r.failed++
	}
	r.meter.Add(r.now(), float64(r.done)/float64(max(r.wave.Size, 1)), 0)
	switch r.mode {
	case JSON:
		e := event{Type: "tenant", Tenant: o.Tenant, State: string(o.Result), Wave: o.Wave, Attempt: o.Attempts, Seconds: o.Elapsed.Seconds(), Message: o.Note}
		if o.Failure != nil {
			e.Error = o.Failure.String()
		}
		r.json(e)
	case Bar, Plain:
		if bad && o.Failure != nil {
			r.line("%s %s %s: %s", r.streams.PaintErr(terminal.Red, look.SignFailed), o.Tenant, o.Result, o.Failure)
		}
		r.refresh()
	case Auto, None:
	}
}

// WaveEnded implements upgrade.Observer.
func (r *Rollout) WaveEnded(upgrade.Wave) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.endWave()
}

// Baking implements upgrade.Observer.
func (r *Rollout) Baking(wave upgrade.Wave, until time.Time) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.endWave()
	if r.mode == JSON {
		r.json(event{Type: "wave", State: "baking", Wave: wave.Number, Seconds: wave.Bake.Seconds()})
		return
	}
	r.line("  %s  bakes for %s, until %s", r.name(), look.Duration(wave.Bake), until.Format("15:04:05"))
}

// Judged implements upgrade.Observer.
func (r *Rollout) Judged(wave upgrade.Wave, j upgrade.Judgement) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.endWave()
	if r.mode == JSON {
		r.json(event{Type: "gate", Step: j.Gate, State: string(j.Verdict), Wave: wave.Number, Message: j.Message})
		return
	}
	style := terminal.Green
	switch j.Verdict {
	case upgrade.Fail:
		style = terminal.Red
	case upgrade.Inconclusive, upgrade.Accepted:
		style = terminal.Yellow
	case upgrade.Pass:
	}
	r.line("  %s", r.streams.PaintErr(style, j.Line(wave.Number)))
}

// Close ends the showing.
func (r *Rollout) Close() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.endWave()
}

func (r *Rollout) name() string { return r.wave.Title(r.waves) }

// endWave leaves a line of a wave that was under way.
func (r *Rollout) endWave() {
	if r.began.IsZero() {
		return
	}
	sign := r.streams.PaintErr(terminal.Green, look.SignDone)
	if r.failed > 0 {
		sign = r.streams.PaintErr(terminal.Red, look.SignFailed)
	}
	elapsed := r.now().Sub(r.began)
	r.began = time.Time{}
	if r.mode == JSON {
		r.json(event{Type: "wave", State: "ended", Wave: r.wave.Number, Done: r.done, Failed: r.failed, Of: r.wave.Size, Seconds: elapsed.Seconds()})
		return
	}
	if r.mode == Bar {
		r.streams.Show()
	}
	r.line("%s %s  %s  %s", sign, r.name(), strings.Join(upgrade.Counted(r.done, r.failed, r.wave.Size), "  "), look.Duration(elapsed))
}

func (r *Rollout) refresh() {
	if r.mode == Bar {
		r.show()
		return
	}
	if now := r.now(); now.Sub(r.said) >= sayEvery {
		r.said = now
		r.line("%s: %s", r.name(), strings.Join(append(upgrade.Counted(r.done, r.failed, r.wave.Size), r.left()...), "  "))
	}
}

func (r *Rollout) show() {
	counting(r.streams, upgrade.WaveGauge(look.SignRunning, r.wave, r.waves, r.done, r.failed, r.left()...))
}

// left is how long the wave takes still, where that can be said.
func (r *Rollout) left() []string {
	if left, known := r.meter.Left(); known && r.done < r.wave.Size {
		return []string{look.Remaining(left)}
	}
	return nil
}

func (r *Rollout) line(format string, args ...any) {
	if r.mode != None && r.mode != JSON {
		_, _ = fmt.Fprintf(r.streams.Err, format+"\n", args...) // nobody left to tell
	}
}

func (r *Rollout) json(e event) {
	e.Time = r.now().UTC()
	writeEvent(r.streams.Err, e)
}
