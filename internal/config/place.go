package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Place is where something stands in a file; lines and columns count from 1, columns in characters.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String is the place as editors and terminals know it: file:line:column.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// segment is one step of a path: a key or a position in a list.
type segment struct {
	key    string
	index  int
	inList bool
}

// path leads to a value of the file: rollout.rings[0].waves.
type path []segment

// at makes a path of keys.
func at(keys ...string) path {
	p := make(path, 0, len(keys)+2)
	for _, key := range keys {
		p = append(p, segment{key: key})
	}
	return p
}

// key is the path one key further; the receiver stays as it is.
func (p path) key(keys ...string) path { return append(p[:len(p):len(p)], at(keys...)...) }

// item is the path of a list's item.
func (p path) item(index int) path {
	return append(p[:len(p):len(p)], segment{index: index, inList: true})
}

// String writes keys that aren't plain words in quotes, so that a path can be read in one way only.
func (p path) String() string {
	var b strings.Builder
	b.Grow(48)
	for i, s := range p {
		switch {
		case s.inList:
			fmt.Fprintf(&b, "[%d]", s.index)
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if s.key != "" && plainWord(s.key) {
			b.WriteString(s.key)
		} else {
			b.WriteString(strconv.Quote(s.key))
		}
	}
	return b.String()
}

func plainWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}
