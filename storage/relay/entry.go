package relay

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The fields of an entry that are not the record's.
const (
	fieldVersion  = "v"
	fieldChecksum = "crc"
	fieldRaw      = "raw"
)

// encoder writes entries as appendScript takes them: each a MessagePack array of its id, then the names and values of its
// fields. One long text costs go-redis and Redis a fraction of what a text for each name and value would.
type encoder struct {
	origin string
	buf    []byte
}

// add appends one entry.
func (e *encoder) add(entry tracker.Entry) {
	start := len(e.buf)
	e.buf = append(e.buf, 0xdc, 0, 0) // an array; its length follows below
	var scratch [24]byte
	e.text(append(strconv.AppendUint(scratch[:0], entry.Seq, 10), "-0"...))
	e.name(fieldVersion)
	e.text(appendVersion(scratch[:0], entry.Payload))
	e.name(fieldChecksum)
	e.text(appendChecksum(scratch[:0], e.origin, entry))
	head := len(e.buf)
	count, ok := e.flat(entry.Payload)
	if !ok {
		e.buf = e.buf[:head]
		e.name(fieldRaw)
		e.text(entry.Payload)
		count = 1
	}
	binary.BigEndian.PutUint16(e.buf[start+1:], uint16(1+2*(2+count)))
}

// flat appends the fields of a record, and reports whether a hub that encodes them again gets the same bytes.
func (e *encoder) flat(payload []byte) (count int, ok bool) {
	if len(payload) == 0 || payload[0] != tracker.RecordVersion {
		return 0, false
	}
	for rest := payload[1:]; len(rest) > 0; count++ {
		field, value, after, whole := tracker.CutField(rest)
		if !whole || count == maxFields {
			return 0, false
		}
		e.name(field.String())
		e.text(value)
		rest = after
	}
	return count, true
}

func (e *encoder) name(s string) { e.buf = append(appendHead(e.buf, len(s)), s...) }
func (e *encoder) text(b []byte) { e.buf = append(appendHead(e.buf, len(b)), b...) }

// appendHead appends what MessagePack puts before a string of n bytes.
func appendHead(dst []byte, n int) []byte {
	switch {
	case n < 1<<5:
		return append(dst, 0xa0|byte(n))
	case n < 1<<8:
		return append(dst, 0xd9, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
	}
}

// maxFields bounds what a script puts on Lua's stack, which holds about 8,000 values.
const maxFields = 1000

// appendVersion appends the first byte of a record, in decimal.
func appendVersion(dst, payload []byte) []byte {
	if len(payload) == 0 {
		return append(dst, '0')
	}
	return strconv.AppendUint(dst, uint64(payload[0]), 10)
}

// appendChecksum appends the eight digits that guard an entry.
func appendChecksum(dst []byte, origin string, entry tracker.Entry) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], tracker.Checksum(origin, entry.Seq, entry.Payload))
	return hex.AppendEncode(dst, sum[:])
}

// parseID reads the number of an entry id. ok is false for an id that no edge wrote: not n-0, or n out of range.
func parseID(id string) (seq uint64, ok bool) {
	text, found := strings.CutSuffix(id, "-0")
	if !found {
		return 0, false
	}
	return parseNumber(text)
}

// parseNumber reads the number of a record: plain decimal below maxSeq, spelled as we spell it. The publish script has
// the same rule.
func parseNumber(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n < maxSeq && strconv.FormatUint(n, 10) == text
}

// decodeEntry rebuilds the record from the fields of the entry with that number (names and values in turn). ok is false
// unless the checksum holds.
func decodeEntry(origin string, seq uint64, fields []string) (entry tracker.Entry, ok bool) {
	if len(fields) < 4 || len(fields)%2 != 0 || fields[0] != fieldVersion || fields[2] != fieldChecksum {
		return entry, false
	}
	payload, ok := payloadOf(fields)
	entry = tracker.Entry{Seq: seq, Payload: payload}
	var scratch [8]byte
	if !ok || string(appendVersion(scratch[:0], payload)) != fields[1] ||
		string(appendChecksum(scratch[:0], origin, entry)) != fields[3] {
		return tracker.Entry{}, false
	}
	return entry, true
}

func payloadOf(fields []string) ([]byte, bool) {
	rest := fields[4:]
	if len(rest) == 2 && rest[0] == fieldRaw {
		return []byte(rest[1]), true
	}
	v, err := strconv.ParseUint(fields[1], 10, 8)
	if err != nil {
		return nil, false
	}
	size := 1
	record := tracker.Record{Version: byte(v), Fields: make([]tracker.Field, 0, len(rest)/2)}
	for i := 0; i < len(rest); i += 2 {
		name, known := tracker.ParseFieldName(rest[i])
		if !known {
			return nil, false
		}
		record.Fields = append(record.Fields, tracker.Field{Name: name, Value: rest[i+1]})
		size += len(rest[i+1]) + 4
	}
	return record.Append(make([]byte, 0, size)), true
}
