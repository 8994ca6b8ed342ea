package local

import "context"

// State is how a part of a stack is found.
type State string

// The states of a part.
const (
	StateRunning     State = "running"
	StateStopped     State = "stopped"
	StateUnreachable State = "unreachable" // its process lives but takes no connections
)

// PartStatus is one server as `tenantctl local status` shows it. Address holds no password.
type PartStatus struct {
	Part    string `json:"part" yaml:"part"`
	State   State  `json:"state" yaml:"state"`
	Address string `json:"address" yaml:"address"`
	PID     int    `json:"pid,omitempty" yaml:"pid,omitempty"`
	Folder  string `json:"folder" yaml:"folder"`
	Log     string `json:"log" yaml:"log"`
	Reason  string `json:"reason,omitempty" yaml:"reason,omitempty"` // why it is unreachable
}

// Status asks each part that was ever started.
func (s *Stack) Status(ctx context.Context) []PartStatus {
	var parts []PartStatus
	if p := s.Postgres; p != nil {
		status := PartStatus{Part: "postgres", Address: localAddress(p.Port), PID: p.PID(), Folder: p.dir, Log: p.LogFile}
		parts = append(parts, status.ask(ctx, p.Ping))
	}
	if b := s.Broker; b != nil {
		status := PartStatus{Part: "broker", Address: localAddress(b.Port), PID: b.PID(), Folder: b.dir, Log: b.LogFile}
		parts = append(parts, status.ask(ctx, b.Ping))
	}
	return parts
}

func (s PartStatus) ask(ctx context.Context, ping func(context.Context) error) PartStatus {
	s.State = StateStopped
	if s.PID == 0 {
		return s
	}
	s.State = StateRunning
	if err := ping(ctx); err != nil {
		s.State, s.Reason = StateUnreachable, err.Error()
	}
	return s
}
