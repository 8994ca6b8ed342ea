package look

import (
	"strings"
	"time"
)

// BarWidth is how many columns a bar has where nothing else is asked for.
const BarWidth = 24

// Bar draws a share from 0 to 1.
func Bar(share float64, width int) string {
	full := int(clamp(share)*float64(width) + 0.5)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

func clamp(share float64) float64 { return min(max(share, 0), 1) }

// Meter turns a growing share into the time that is left, by how fast it grew lately.
type Meter struct {
	began   time.Time
	samples []sample
	rates   []int64 // the newest last
	rated   time.Time
}

type sample struct {
	at    time.Time
	share float64
	bytes int64
}

const (
	meterSpan = 10 * time.Second
	meterStep = 200 * time.Millisecond
	rateStep  = 400 * time.Millisecond
	maxRates  = 240
)

// Add notes where the work stands; samples of the last seconds are kept.
func (m *Meter) Add(at time.Time, share float64, bytes int64) {
	if m.began.IsZero() {
		m.began = at
	}
	m.sample(at, share, bytes)
	if at.Sub(m.rated) >= rateStep {
		m.rated = at
		m.rates = append(m.rates, m.Rate())
		m.rates = m.rates[max(len(m.rates)-maxRates, 0):]
	}
}

// Rates are how Rate was lately, the newest last.
func (m *Meter) Rates() []int64 { return m.rates }

func (m *Meter) sample(at time.Time, share float64, bytes int64) {
	if n := len(m.samples); n > 1 && at.Sub(m.samples[n-1].at) < meterStep {
		m.samples[n-1] = sample{m.samples[n-1].at, share, bytes}
		return
	}
	m.samples = append(m.samples, sample{at, share, bytes})
	for len(m.samples) > 2 && at.Sub(m.samples[0].at) > meterSpan {
		m.samples = m.samples[1:]
	}
}

// Rate is bytes a second over the last seconds; 0 where it can't be said yet.
func (m *Meter) Rate() int64 {
	first, last, span := m.ends()
	if span <= 0 {
		return 0
	}
	return int64(float64(last.bytes-first.bytes) / span.Seconds())
}

// Left is how long the rest takes at the pace of the last seconds; false where that can't be said yet.
func (m *Meter) Left() (time.Duration, bool) {
	first, last, span := m.ends()
	grown := last.share - first.share
	if span < time.Second || grown <= 0 {
		return 0, false
	}
	return time.Duration((1 - clamp(last.share)) / grown * float64(span)), true
}

func (m *Meter) ends() (first, last sample, span time.Duration) {
	if len(m.samples) < 2 {
		return sample{}, sample{}, 0
	}
	first, last = m.samples[0], m.samples[len(m.samples)-1]
	return first, last, last.at.Sub(first.at)
}

// Remaining rounds what is a guess anyway.
func Remaining(left time.Duration) string {
	return Duration(max(left.Round(time.Second), time.Second)) + " left"
}
