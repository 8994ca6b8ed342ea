package config

import (
	"bytes"
	"runtime"
	"sync"
)

// A file of 10,000 tenants is some megabytes, most of the time of every command, and the YAML parser uses one processor. The
// entries under "tenants:" are therefore read in pieces, side by side. That is an optimization of right files only: where
// any piece is odd, the file is read again as a whole, and what that says counts.
//
// It is sound because a piece begins at a line with the indentation of a tenant's name. Whatever such a line could be in the
// middle of (a quote, brackets) ends the piece before unclosed, which is an error; a name that is anchored elsewhere is one too.

// minPiece is how many bytes are worth a goroutine.
const minPiece = 64 << 10

// piece is a part of a file.
type piece struct {
	source
	skipped int // lines before it
}

// pieces splits a file into its head, in which the tenants' lines are empty, and parts of the tenants' lines of about size
// bytes. It is nil where the file isn't laid out for that.
func pieces(s source, size int) (head piece, parts []piece) {
	begin, end, indent := tenantLines(s.data)
	if end-begin < 2*size || hasOddBreaks(s.data) {
		return piece{}, nil
	}
	lines := bytes.Count(s.data[begin:end], []byte("\n"))
	skipped := bytes.Count(s.data[:begin], []byte("\n"))
	text := bytes.Join([][]byte{s.data[:begin], bytes.Repeat([]byte("\n"), lines), s.data[end:]}, nil)
	head = piece{source: source{name: s.name, data: text}}
	for rest := s.data[begin:end]; len(rest) > 0; {
		cut := len(rest)
		if cut > size {
			cut = nextName(rest, size, indent)
		}
		parts = append(parts, piece{source: source{name: s.name, data: rest[:cut]}, skipped: skipped})
		skipped += bytes.Count(rest[:cut], []byte("\n"))
		rest = rest[cut:]
	}
	return head, parts
}

// hasOddBreaks tells whether YAML sees lines where "\n" doesn't end them.
func hasOddBreaks(data []byte) bool {
	if bytes.Count(data, []byte("\r")) != bytes.Count(data, []byte("\r\n")) {
		return true
	}
	for _, char := range []string{"\u0085", "\u2028", "\u2029"} {
		if bytes.Contains(data, []byte(char)) {
			return true
		}
	}
	return false
}

// tenantLines is the span of the lines below "tenants:", from the first name on, and the indentation of that name; an empty
// span where there is none or the lines don't keep to it.
func tenantLines(data []byte) (begin, end, indent int) {
	const key = "\ntenants:"
	at := bytes.Index(data, []byte(key))
	if at < 0 || bytes.Contains(data[at+len(key):], []byte(key)) {
		return 0, 0, 0
	}
	next := bytes.IndexByte(data[at+1:], '\n')
	if next < 0 || !nothingFollows(data[at+len(key):at+1+next]) {
		return 0, 0, 0
	}
	begin = at + 1 + next + 1
	for end = begin; end < len(data); {
		line := data[end:]
		if next := bytes.IndexByte(line, '\n'); next >= 0 {
			line = line[:next+1]
		}
		text := bytes.TrimLeft(line, " ")
		depth := len(line) - len(text)
		if rest := bytes.TrimSpace(text); len(rest) > 0 && rest[0] != '#' {
			switch {
			case depth == 0:
				return begin, end, indent
			case indent == 0:
				begin, indent = end, depth
			case depth < indent:
				return 0, 0, 0
			}
		}
		end += len(line)
	}
	return begin, end, indent
}

// nothingFollows tells whether the rest of a key's line is a comment at most.
func nothingFollows(rest []byte) bool {
	text := bytes.TrimLeft(rest, " ")
	return len(bytes.TrimSpace(text)) == 0 || len(text) < len(rest) && text[0] == '#'
}

// nextName is where the first line at or after from begins that can only be a tenant's name.
func nextName(data []byte, from, indent int) int {
	for {
		next := bytes.IndexByte(data[from:], '\n')
		if next < 0 {
			return len(data)
		}
		from += next + 1
		line := data[from:]
		name := bytes.TrimLeft(line, " ")
		if len(line)-len(name) == indent && len(name) > 0 && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= '0' && name[0] <= '9') {
			return from
		}
	}
}

// readPieces decodes a large file in pieces; nil where that can't be done or finds anything wrong.
func readPieces(s source, size int) *document {
	head, parts := pieces(s, size)
	if parts == nil {
		return nil
	}
	var doc *document
	fleets := make([]*ordered[declaredTenant], len(parts))
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for i, p := range parts {
		limit <- struct{}{}
		wait.Go(func() {
			defer func() { <-limit }()
			fleets[i] = p.tenants()
		})
	}
	if root, err := head.parse(); err == nil {
		d := newDecoder(head.source)
		if decoded := d.document(root); len(d.problems) == 0 && len(decoded.Tenants.entries) == 0 {
			doc = decoded
		}
	}
	wait.Wait()
	if doc == nil || !doc.Tenants.join(fleets) {
		return nil
	}
	return doc
}

// tenants decodes a piece of the tenants' lines; nil if anything is wrong.
func (p piece) tenants() *ordered[declaredTenant] {
	root, err := p.parse()
	if err != nil {
		return nil
	}
	d := newDecoder(p.source)
	d.skipped = p.skipped
	fleet := d.tenants(root)
	if len(d.problems) > 0 {
		return nil
	}
	return fleet
}

// join takes over the entries of all parts; false if one is missing or a name is there twice.
func (o *ordered[T]) join(parts []*ordered[T]) bool {
	n := 0
	for _, part := range parts {
		if part == nil {
			return false
		}
		n += len(part.entries)
	}
	o.reserve(n)
	for _, part := range parts {
		for i := range part.entries {
			if _, twice := o.find(part.entries[i].Name); twice {
				return false
			}
			o.put(part.entries[i])
		}
	}
	return true
}
