package tui

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // frames show times as the reader's clock does
	// teatest waits for an interrupt that never comes.
	// And Bubble Tea's reader outlives a panic, by as long as the process does.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/charmbracelet/bubbletea.(*Program).readLoop"), goleak.IgnoreTopFunction("github.com/charmbracelet/x/exp/teatest.NewTestModel.func2"))
}
