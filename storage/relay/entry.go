package relay

import (
	"bytes"
	"fmt"
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

// fieldArgs are the names of the record's fields, converted once: a batch has tens of thousands.
var fieldArgs = func() (args [256]any) {
	for n := range args {
		args[n] = tracker.FieldName(n).String()
	}
	return args
}()

// encoder turns records into the arguments of appendScript.
type encoder struct {
	origin string
	args   []any
	again  []byte // scratch
}

// add appends one entry: its number, how many strings follow, and its fields.
func (e *encoder) add(entry tracker.Entry) {
	e.args = append(e.args, strconv.FormatUint(entry.Seq, 10), nil)
	start := len(e.args)
	e.args = append(e.args, fieldVersion, version(entry.Payload),
		fieldChecksum, fmt.Sprintf("%08x", tracker.Checksum(e.origin, entry.Seq, entry.Payload)))
	if record, ok := e.flat(entry.Payload); ok {
		for i := range record.Fields { // a pointer is an argument without another allocation
			e.args = append(e.args, fieldArgs[record.Fields[i].Name], &record.Fields[i].Value)
		}
	} else {
		e.args = append(e.args, fieldRaw, entry.Payload)
	}
	e.args[start-1] = strconv.Itoa(len(e.args) - start)
}

// flat decodes a record, and reports whether a hub that encodes it again gets the same bytes.
func (e *encoder) flat(payload []byte) (tracker.Record, bool) {
	record, err := tracker.DecodeRecord(payload)
	if err != nil || len(record.Fields) > maxFields {
		return record, false
	}
	e.again = record.Append(e.again[:0])
	return record, bytes.Equal(e.again, payload)
}

// maxFields bounds what a script puts on Lua's stack, which holds about 8,000 values.
const maxFields = 1000

// version is the first byte of a record, in decimal.
func version(payload []byte) string {
	if len(payload) == 0 {
		return "0"
	}
	return strconv.Itoa(int(payload[0]))
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
	if !ok || version(payload) != fields[1] {
		return entry, false
	}
	if fmt.Sprintf("%08x", tracker.Checksum(origin, seq, payload)) != fields[3] {
		return entry, false
	}
	return tracker.Entry{Seq: seq, Payload: payload}, true
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
