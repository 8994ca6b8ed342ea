package tui

import "tenantctl/internal/tenant"

// document is a page's text, longer than the screen maybe. Where some of its lines are about tenants, the cursor goes from one
// of those to the next, else the text scrolls.
type document struct {
	rows []docRow
	at   int // the line that the cursor is on
	top  int
	used bool // the cursor was moved; before that the text shows from its beginning
	page int  // rows that showed last
}

type docRow struct {
	line   line
	tenant tenant.Name
	copied string // what `y` copies; "": the line itself
	stop   bool   // the cursor stops here
}

func (d *document) reset() { d.rows = d.rows[:0] }

func (d *document) add(l line) { d.rows = append(d.rows, docRow{line: l}) }

func (d *document) blank() { d.add(nil) }

// paragraph adds a text, wrapped.
func (d *document) paragraph(r role, indent, s string, width, most int) {
	for _, part := range wrap(s, width-len(indent), most) {
		d.add(text(r, indent+part))
	}
}

// fact adds a label and what is said of it; nothing where there is nothing to say.
func (d *document) fact(label string, l line) {
	if len(l) > 0 && (len(l) > 1 || l[0].text != "") {
		d.add(append(text(dim, "  "+fit(label, labelWidth)), l...))
	}
}

const labelWidth = 12

func (d *document) title(s string) { d.add(text(strong, s)) }

// key moves cursor or text.
func (d *document) key(key string, height int) bool {
	var stops []int
	for i, r := range d.rows {
		if r.stop {
			stops = append(stops, i)
		}
	}
	if len(stops) == 0 {
		to, moved := move(key, d.top, max(len(d.rows)-height+1, 1), height)
		if moved {
			d.top, d.at = to, to
		}
		return moved
	}
	on := 0
	for i, s := range stops {
		if s <= d.at {
			on = i
		}
	}
	if d.here() == nil {
		on = -1
	}
	to, moved := move(key, on, len(stops), height)
	if moved {
		d.used = true
		d.at = stops[to]
		if to == 0 {
			d.top = 0
		}
	}
	return moved
}

// here is the row that the cursor is on; nil where the text has none, or it was never moved and stands below what shows.
func (d *document) here() *docRow {
	for i := d.at; i < len(d.rows); i++ {
		if d.rows[i].stop {
			if !d.used && i >= d.page {
				return nil
			}
			d.at = i
			return &d.rows[i]
		}
	}
	return nil
}

func (d *document) draw(th *Theme, width, height int) []string {
	d.page = height
	here := d.here()
	if here != nil {
		d.top = window(d.top, d.at, len(d.rows), height)
	}
	d.top = max(min(d.top, len(d.rows)-height), 0)
	var out []string
	for i := d.top; i < min(d.top+height, len(d.rows)); i++ {
		if here != nil && i == d.at {
			out = append(out, th.drawCursor(d.rows[i].line, width))
			continue
		}
		out = append(out, th.draw(d.rows[i].line, width))
	}
	return out
}

func (d *document) copyText() string {
	switch r := d.here(); {
	case r == nil:
		return ""
	case r.copied != "":
		return r.copied
	default:
		return string(r.tenant)
	}
}
