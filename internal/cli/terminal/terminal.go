// Package terminal is what a command reads from and writes to: three streams, whether a person sits at them, and how to ask that
// person something.
package terminal

import (
	"bufio"
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are a command's input and output. Data goes to Out, everything else to Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer

	// InTerminal, OutTerminal and ErrTerminal tell whether a person is at the other end.
	InTerminal, OutTerminal, ErrTerminal bool
	// Color allows colors, where the stream is a terminal.
	Color bool
	// Dumb is a terminal that can't move its cursor.
	Dumb bool

	reader  *bufio.Reader // of In; nil before the first question
	pending <-chan line   // of a question that waits for its answer
	block   *block        // nil where Err isn't a terminal
	file    *os.File      // the terminal behind Err; nil where it is none
}

// New finds out what the streams are. env is os.LookupEnv: NO_COLOR and TERM=dumb are obeyed.
func New(in io.Reader, out, errors io.Writer, env func(string) (string, bool)) *Streams {
	noColor, _ := env("NO_COLOR")
	kind, _ := env("TERM")
	s := &Streams{
		In: in, Out: out, Err: errors,
		InTerminal: isTerminal(in), OutTerminal: isTerminal(out), ErrTerminal: isTerminal(errors),
		Color: noColor == "" && kind != "dumb", Dumb: kind == "dumb",
	}
	if s.ErrTerminal {
		s.file, _ = errors.(*os.File)
		s.block = &block{out: errors}
		s.Err = s.block
	}
	return s
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

const (
	fallbackWidth  = 80
	fallbackHeight = 24
)

// Size is how many columns and rows the terminal behind Err has.
func (s *Streams) Size() (width, height int) {
	if s.file != nil {
		if width, height, err := term.GetSize(int(s.file.Fd())); err == nil && width > 0 {
			return width, height
		}
	}
	return fallbackWidth, fallbackHeight
}

// OutWidth is how many columns Out has; 0 where it isn't a terminal and lines may be as long as they like.
func (s *Streams) OutWidth() int {
	if file, ok := s.Out.(*os.File); ok && s.OutTerminal {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// Style is how a word looks on a terminal.
type Style string

// The styles: few, from the terminal's own palette, so that they show on a light and on a dark background.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// Paint wraps text in a style.
func (s Style) Paint(text string) string {
	if s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// PaintErr styles text for Err, where that shows colors.
func (s *Streams) PaintErr(style Style, text string) string {
	if !s.ErrTerminal || !s.Color {
		return text
	}
	return style.Paint(text)
}
