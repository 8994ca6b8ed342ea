package output

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
)

// Grid is rows of cells under titles, aligned.
type Grid struct {
	titles []string
	right  map[int]bool
	rows   [][]string
	styles map[string]terminal.Style
}

// NewGrid begins a table; a title that begins with ">" has its column aligned to the right.
func NewGrid(titles ...string) *Grid {
	g := &Grid{right: map[int]bool{}}
	for i, title := range titles {
		if rest, found := strings.CutPrefix(title, ">"); found {
			g.right[i], title = true, rest
		}
		g.titles = append(g.titles, title)
	}
	return g
}

// Style colors every cell that is exactly this word.
func (g *Grid) Style(word string, style terminal.Style) *Grid {
	if g.styles == nil {
		g.styles = map[string]terminal.Style{}
	}
	g.styles[word] = style
	return g
}

// Row adds a row. Cells that are left out or empty show as "-".
func (g *Grid) Row(cells ...string) {
	row := make([]string, len(g.titles))
	for i := range row {
		row[i] = "-"
		if i < len(cells) && cells[i] != "" {
			row[i] = look.OneLine(cells[i])
		}
	}
	g.rows = append(g.rows, row)
}

// Note adds a row in which cells may stay empty: more about the row above.
func (g *Grid) Note(cells ...string) {
	row := make([]string, len(g.titles))
	for i, cell := range cells {
		row[i] = look.OneLine(cell)
	}
	g.rows = append(g.rows, row)
}

const columnGap = "   "

// Write writes the table. On a terminal of a width the last column is cut to fit; no color where color is false.
func (g *Grid) Write(out io.Writer, width int, color bool) error {
	widths := make([]int, len(g.titles))
	for i, title := range g.titles {
		widths[i] = utf8.RuneCountInString(title)
	}
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	room := 0
	if width > 0 {
		room = max(width-sum(widths[:len(widths)-1])-len(columnGap)*(len(widths)-1), minLast)
	}
	buffered := bufio.NewWriter(out)
	g.line(buffered, g.titles, widths, room, false)
	for _, row := range g.rows {
		g.line(buffered, row, widths, room, color)
	}
	return buffered.Flush()
}

// minLast is how much of the last column shows on a terminal that is too narrow for the others.
const minLast = 12

func sum(widths []int) int {
	total := 0
	for _, width := range widths {
		total += width
	}
	return total
}

func (g *Grid) line(out *bufio.Writer, cells []string, widths []int, room int, color bool) {
	last := len(cells) - 1
	for i, cell := range cells {
		if i == last && room > 0 {
			cell = look.Cut(cell, room)
		}
		padding := strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0))
		if g.right[i] {
			_, _ = out.WriteString(padding) // Flush tells of errors
		}
		style := g.styles[cell]
		if !color {
			style = terminal.Plain
		}
		_, _ = out.WriteString(style.Paint(cell))
		if i == last {
			break
		}
		if !g.right[i] {
			_, _ = out.WriteString(padding)
		}
		_, _ = out.WriteString(columnGap)
	}
	_ = out.WriteByte('\n')
}
