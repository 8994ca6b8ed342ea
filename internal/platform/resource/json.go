package resource

import (
	"bytes"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// shape is how rows are read, and written as JSON. It is done here and not by json_build_object, which looks up each value's type
// anew for each row: that was most of what a page cost the server.
type shape struct {
	names []string // of the members, as JSON has them, with what precedes their values
	kinds []Kind
}

func (r *Resource) shape() shape {
	s := shape{}
	for i, c := range r.Columns {
		before := ","
		if i == 0 {
			before = "{"
		}
		s.names, s.kinds = append(s.names, before+`"`+c.Name+`":`), append(s.kinds, c.Kind)
	}
	return s
}

// append appends a row: the members' values, as PostgreSQL writes them as text, and then the members of further, an object or
// nil.
func (s shape) append(to []byte, values [][]byte, further []byte) []byte {
	for i, name := range s.names {
		to = append(to, name...)
		to = s.kinds[i].append(to, values[i])
	}
	if len(further) > len("{}") {
		to = append(append(to, ','), further[1:len(further)-1]...)
	}
	return append(to, '}')
}

// append appends a value that PostgreSQL wrote as text, nil for NULL. A moment is in the ISO style (DateStyle).
func (k Kind) append(to, text []byte) []byte {
	switch {
	case text == nil:
		return append(to, "null"...)
	case k == Integer, k == Big, k == Object:
		return append(to, text...)
	case k == Moment:
		return appendMoment(to, text)
	}
	return appendString(to, text)
}

// appendMoment appends `2026-11-28 04:34:03.5+00` as "2026-11-28T04:34:03.5+00:00", as PostgreSQL's own JSON has it: infinity as
// it is, and an era at the end.
func appendMoment(to, text []byte) []byte {
	day, clock, finite := bytes.Cut(text, []byte(" "))
	to = append(append(to, '"'), day...)
	if finite {
		clock, era, before := bytes.Cut(clock, []byte(" "))
		to = append(append(to, 'T'), clock...)
		if zone := bytes.LastIndexAny(clock, "+-"); len(clock)-zone == len("+00") {
			to = append(to, ":00"...)
		}
		if before {
			to = append(append(to, ' '), era...)
		}
	}
	return append(to, '"')
}

const hex = "0123456789abcdef"

// appendString appends a text as a string of JSON.
func appendString(to, text []byte) []byte {
	to = append(to, '"')
	begin := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, text[begin:i]...)
		begin = i + 1
		if c < ' ' {
			to = append(to, `\u00`...)
			to = append(to, hex[c>>4], hex[c&0xf])
			continue
		}
		to = append(to, '\\', c)
	}
	return append(append(to, text[begin:]...), '"')
}

// texts are a row's values as text, NULL being nil. They are the connection's again when the next row is read.
func texts(row pgx.CollectableRow) ([][]byte, error) {
	for _, field := range row.FieldDescriptions() {
		if field.Format != pgx.TextFormatCode { // it was prepared, then
			return nil, fmt.Errorf("column %s came as binary", field.Name)
		}
	}
	return row.RawValues(), nil
}
