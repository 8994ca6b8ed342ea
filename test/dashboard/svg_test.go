package dashboard

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// svg draws what a terminal shows, text with its ANSI colors, as a picture: each piece of a line stands at its own column, so
// that fonts of another width than expected move nothing.
func svg(screen string, columns, rows int) string {
	const (
		cellWidth, lineHeight = 8.4, 18
		margin                = 12
		ascent                = 14
	)
	var out strings.Builder
	width, height := float64(columns)*cellWidth+2*margin, rows*lineHeight+2*margin
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">`+"\n", width, height)
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", ground)
	now := piece{color: usual} // tmux says a look once, also where it goes on in the next line
	for y, line := range strings.Split(strings.TrimRight(screen, "\n"), "\n") {
		for _, p := range now.read(line) {
			x := margin + float64(p.column)*cellWidth
			length := float64(utf8.RuneCountInString(p.text)) * cellWidth
			ink := p.color
			if p.reverse {
				fmt.Fprintf(&out, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, margin+y*lineHeight, length, lineHeight, ink)
				ink = ground
			}
			if strings.TrimSpace(p.text) == "" {
				continue
			}
			weight := ""
			if p.bold {
				weight = ` font-weight="bold"`
			}
			fmt.Fprintf(&out, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" xml:space="preserve">%s</text>`+"\n",
				x, margin+y*lineHeight+ascent, ink, weight, length, html.EscapeString(p.text))
		}
	}
	return out.String() + "</svg>\n"
}

const (
	ground = "#16181d"
	usual  = "#d5d8df"
)

// piece is text of one look.
type piece struct {
	column        int
	text          string
	color         string
	bold, reverse bool
}

// read takes a line apart; the look in which it ends stays.
func (p *piece) read(line string) []piece {
	var all []piece
	p.column = 0
	end := func() {
		if p.text != "" {
			all = append(all, *p)
			p.column += utf8.RuneCountInString(p.text)
		}
		p.text = ""
	}
	for line != "" {
		if code, rest, is := sequence(line); is {
			end()
			p.become(code)
			line = rest
			continue
		}
		r, size := utf8.DecodeRuneInString(line)
		p.text += string(r)
		line = line[size:]
	}
	end()
	return all
}

// sequence takes a sequence that sets the look from the beginning of a line.
func sequence(line string) (code, rest string, is bool) {
	after, is := strings.CutPrefix(line, "\x1b[")
	if !is {
		return "", line, false
	}
	return strings.Cut(after, "m")
}

// become changes the look by a sequence's parameters.
func (p *piece) become(code string) {
	words := strings.FieldsFunc(code, func(r rune) bool { return r == ';' || r == ':' })
	if len(words) == 0 {
		words = []string{"0"}
	}
	for i := 0; i < len(words); i++ {
		n, err := strconv.Atoi(words[i])
		if err != nil {
			return
		}
		switch {
		case n == 0:
			*p = piece{column: p.column, color: usual}
		case n == 1:
			p.bold = true
		case n == 2:
			p.color = palette(245)
		case n == 7:
			p.reverse = true
		case n == 27:
			p.reverse = false
		case n == 39:
			p.color = usual
		case n >= 30 && n <= 37:
			p.color = palette(n - 30)
		case n >= 90 && n <= 97:
			p.color = palette(n - 90 + 8)
		case n == 38 && i+2 < len(words) && words[i+1] == "5":
			if index, err := strconv.Atoi(words[i+2]); err == nil {
				p.color = palette(index)
			}
			i += 2
		}
	}
}

// palette is a color of the 256 that terminals have.
func palette(n int) string {
	first := []string{
		"#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d5d8df",
		"#7f848e", "#ff7b86", "#b1e086", "#ffd98c", "#82c4ff", "#dc9bf2", "#6fd3e0", "#ffffff",
	}
	switch {
	case n < len(first):
		return first[max(n, 0)]
	case n >= 232:
		level := 8 + 10*(n-232)
		return fmt.Sprintf("#%02x%02x%02x", level, level, level)
	}
	steps := []int{0, 95, 135, 175, 215, 255}
	n -= 16
	return fmt.Sprintf("#%02x%02x%02x", steps[n/36%6], steps[n/6%6], steps[n%6])
}
