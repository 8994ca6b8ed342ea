package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// block is some lines at the bottom of a terminal that are redrawn in place. What else is written appears above them.
type block struct {
	out io.Writer

	mutex sync.Mutex
	lines []string
	drawn int // lines that stand on the screen
}

// Write implements io.Writer.
func (b *block) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(b.lines) == 0 {
		return b.out.Write(text)
	}
	if err := b.put(b.erased() + string(text)); err != nil {
		return 0, err
	}
	return len(text), b.put(b.content())
}

func (b *block) show(lines []string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.drawn == len(lines) && slices.Equal(b.lines, lines) {
		return
	}
	text := b.erased()
	b.lines = lines
	_ = b.put(text + b.content()) // a terminal that is gone shows nothing
}

// erased moves to where the block began and clears everything below.
func (b *block) erased() string {
	if b.drawn == 0 {
		return ""
	}
	text := fmt.Sprintf("\x1b[%dA\r\x1b[J", b.drawn)
	b.drawn = 0
	return text
}

func (b *block) content() string {
	b.drawn = len(b.lines)
	if b.drawn == 0 {
		return ""
	}
	return strings.Join(b.lines, "\n") + "\n"
}

func (b *block) put(text string) error {
	_, err := io.WriteString(b.out, text)
	return err
}

// CanRedraw tells whether Show works: Err is a terminal that moves its cursor.
func (s *Streams) CanRedraw() bool { return s.block != nil && !s.Dumb }

// Show draws lines at the bottom of the terminal in place of those it drew before; none removes them. Lines must fit the width.
func (s *Streams) Show(lines ...string) {
	if s.CanRedraw() {
		s.block.show(lines)
	}
}
