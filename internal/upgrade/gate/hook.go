package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// hook asks a service of the user's own about a wave.
type hook struct {
	check config.HTTPGate
	to    *request
	web   *asker
}

func newHook(check config.HTTPGate, resolve func(config.Secret) (string, error), web *asker) (*hook, error) {
	to, err := newRequest(check.URL, check.Headers, resolve)
	if err != nil {
		return nil, err
	}
	to.header.Set("Content-Type", "application/json")
	to.header.Set("Accept", "application/json")
	return &hook{check: check, to: to, web: web}, nil
}

// maxVerdict is far more than a verdict with its message needs.
const maxVerdict = 64 << 10

func (h *hook) look(ctx context.Context, p upgrade.Passage) (upgrade.Judgement, bool, error) {
	body, err := json.Marshal(newNotice(h.check.Name, p))
	if err != nil {
		return upgrade.Judgement{}, false, fmt.Errorf("describe the wave: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.to.address.String(), bytes.NewReader(body))
	if err != nil {
		return upgrade.Judgement{}, false, fmt.Errorf("make the request to %s: %w", h.check.URL, withoutAddress(ctx, 0, err))
	}
	req.Header = h.to.header.Clone()
	got, err := h.web.ask(ctx, h.check.Timeout, maxVerdict, req)
	var f findings
	if err != nil {
		f.doubt("%s: %s; see that it runs and can be reached from here", h.check.URL, err)
	} else {
		h.judge(got, &f)
	}
	j, again := f.judgement()
	return j, again, nil
}

// notice is what a hook is told.
type notice struct {
	Version  int              `json:"version"`
	Gate     string           `json:"gate"`
	Rollout  string           `json:"rollout"`
	Wave     noticeWave       `json:"wave"`
	Targets  []upgrade.Target `json:"targets"`
	Upgraded int              `json:"upgraded"` // tenants of the rollout so far
	Waiting  int              `json:"waiting"`
	Tenants  []tenant.Name    `json:"tenants"` // that the wave has upgraded
}

type noticeWave struct {
	Number int       `json:"number"`
	Ring   string    `json:"ring"`
	Size   int       `json:"size"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
}

func newNotice(gate string, p upgrade.Passage) notice {
	n := notice{
		Version: 1, Gate: gate, Rollout: p.Rollout, Targets: p.Targets, Upgraded: len(p.Upgraded), Waiting: len(p.Waiting),
		Wave:    noticeWave{Number: p.Wave.Number, Ring: p.Wave.Ring, Size: p.Wave.Size, Began: p.Began, Ended: p.Ended},
		Tenants: []tenant.Name{},
	}
	for _, o := range p.Upgraded {
		if o.Wave == p.Wave.Number {
			n.Tenants = append(n.Tenants, o.Tenant)
		}
	}
	return n
}

// judge reads an answer. What isn't clear isn't taken for success: a log-in page answers 200, too.
func (h *hook) judge(got answer, f *findings) {
	status := fmt.Sprintf("%s answered %d %s", h.check.URL, got.status, http.StatusText(got.status))
	switch {
	case got.status >= 300 && got.status < 400:
		f.lastingDoubt("%s, a redirect, which isn't followed: write the address to which it leads", status)
	case got.status == http.StatusRequestTimeout || got.status == http.StatusTooManyRequests || got.status >= 500:
		f.doubt("%s; look at its log%s", status, quoted(got.body))
	case got.status >= 400:
		f.fail("%s, which means no; if it isn't meant so, check the check's url and headers%s", status, quoted(got.body))
		f.lasting++
	case got.status < 200:
		f.doubt("%s, which says nothing", status)
	default:
		h.verdict(got.body, status, f)
	}
}

func (h *hook) verdict(body []byte, status string, f *findings) {
	var said struct {
		Verdict upgrade.Verdict `json:"verdict"`
		Message string          `json:"message"`
	}
	if len(bytes.TrimSpace(body)) == 0 {
		f.pass("%s", status)
		return
	}
	if err := json.Unmarshal(body, &said); err != nil {
		said.Verdict = ""
	}
	words := ""
	if said.Message != "" {
		words = ": " + excerpt(said.Message)
	}
	switch said.Verdict {
	case upgrade.Pass:
		f.pass("%s says pass%s", h.check.URL, words)
	case upgrade.Fail:
		f.fail("%s says fail%s", h.check.URL, words)
		f.lasting++
	case upgrade.Inconclusive:
		f.doubt("%s can't tell%s", h.check.URL, words)
	default:
		f.doubt(`%s, but not with {"verdict": "pass"}, "fail" or "inconclusive", nor with an empty body%s`, status, quoted(body))
	}
}

func quoted(body []byte) string {
	if text := excerpt(string(body)); text != "" {
		return fmt.Sprintf("; it says %q", text)
	}
	return ""
}
