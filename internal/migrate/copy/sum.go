package copy

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Sum is the proof of a set of rows: how many there are and the sum of their 128-bit hashes, which doesn't depend on order
// and counts a row as often as it is there. The hash is XXH3-128 over the row as COPY sends it, seeded per move.
type Sum struct {
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"` // of the rows in their COPY form
	Hi, Lo uint64
}

// Add counts one row.
func (s *Sum) Add(row []byte, seed uint64) {
	hash := xxh3.Hash128Seed(row, seed)
	s.Merge(Sum{Rows: 1, Bytes: int64(len(row)), Hi: hash.Hi, Lo: hash.Lo})
}

// Merge counts all rows of another sum.
func (s *Sum) Merge(other Sum) {
	var carry uint64
	s.Rows += other.Rows
	s.Bytes += other.Bytes
	s.Lo, carry = bits.Add64(s.Lo, other.Lo, 0)
	s.Hi, _ = bits.Add64(s.Hi, other.Hi, carry)
}

// Hash is the 16 bytes of the sum of hashes, most significant first.
func (s Sum) Hash() (hash [16]byte) {
	binary.BigEndian.PutUint64(hash[:8], s.Hi)
	binary.BigEndian.PutUint64(hash[8:], s.Lo)
	return hash
}

// SumOf rebuilds a Sum from its parts; hash is what Hash returned.
func SumOf(rows, size int64, hash [16]byte) Sum {
	return Sum{Rows: rows, Bytes: size, Hi: binary.BigEndian.Uint64(hash[:8]), Lo: binary.BigEndian.Uint64(hash[8:])}
}

// Same tells whether two sums prove the same set of rows.
func (s Sum) Same(other Sum) bool {
	return s.Rows == other.Rows && s.Bytes == other.Bytes && s.Hi == other.Hi && s.Lo == other.Lo
}

// MarshalJSON writes the hash as 32 hexadecimal digits.
func (s Sum) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Rows  int64  `json:"rows"`
		Bytes int64  `json:"bytes"`
		Hash  string `json:"hash"`
	}{s.Rows, s.Bytes, fmt.Sprintf("%016x%016x", s.Hi, s.Lo)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Sum) UnmarshalJSON(data []byte) error {
	var parts struct {
		Rows  int64
		Bytes int64
		Hash  string
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return fmt.Errorf("read sum: %w", err)
	}
	var hash [16]byte
	if n, err := hex.Decode(hash[:], []byte(parts.Hash)); err != nil || n != len(hash) {
		return fmt.Errorf("read sum: hash %q isn't 32 hexadecimal digits", parts.Hash)
	}
	*s = SumOf(parts.Rows, parts.Bytes, hash)
	return nil
}

// signature opens every binary COPY stream; four bytes of flags and a counted extension follow.
const signature = "PGCOPY\n\xff\r\n\x00"

const headerSize = 11 + 4 + 4

// Rows is a writer for what COPY TO STDOUT sends, one row a Write as the protocol promises, that sums each row.
type Rows struct {
	Format  Format
	Columns int // fields of a binary row, checked on each
	Seed    uint64
	Each    func(row []byte) error // called with each row, which it must not keep; nil: none

	Sum    Sum
	begun  bool
	closed bool
}

// Write takes one message of the stream.
func (r *Rows) Write(message []byte) (int, error) {
	row := message
	if r.Format == Binary {
		var err error
		if row, err = r.unframe(message); err != nil {
			return 0, err
		}
		if row == nil {
			return len(message), nil
		}
	}
	r.Sum.Add(row, r.Seed)
	if r.Each != nil {
		if err := r.Each(row); err != nil {
			return 0, err
		}
	}
	return len(message), nil
}

// unframe takes the stream's header off the first message; the trailer gives nil.
func (r *Rows) unframe(message []byte) ([]byte, error) {
	if r.closed {
		return nil, fmt.Errorf("COPY stream goes on after its trailer")
	}
	row := message
	if !r.begun {
		if len(row) < headerSize || string(row[:len(signature)]) != signature {
			return nil, fmt.Errorf("COPY stream begins without its signature")
		}
		extension := int(binary.BigEndian.Uint32(row[headerSize-4:]))
		if len(row) < headerSize+extension {
			return nil, fmt.Errorf("COPY stream's header is cut")
		}
		row = row[headerSize+extension:]
		r.begun = true
	}
	if len(row) < 2 {
		return nil, fmt.Errorf("COPY message of %d bytes holds no row", len(row))
	}
	fields := int(int16(binary.BigEndian.Uint16(row))) //nolint:gosec // the wire form is a signed 16-bit count
	if fields == -1 {
		r.closed = true
		return nil, nil
	}
	if fields != r.Columns {
		return nil, fmt.Errorf("COPY row has %d fields, want %d", fields, r.Columns)
	}
	return row, nil
}
