package relay

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const origin = "0199f1a0-0000-7000-8000-000000000001"

// sent is what appendScript passes to XADD for an entry.
func sent(t testing.TB, e tracker.Entry) []string {
	t.Helper()
	enc := encoder{origin: origin}
	enc.add(e)
	var fields []string
	rest := enc.buf[3:]
	for len(rest) > 0 {
		head, size := 1, int(rest[0]&31)
		switch rest[0] {
		case 0xd9:
			head, size = 2, int(rest[1])
		case 0xda:
			head, size = 3, int(binary.BigEndian.Uint16(rest[1:]))
		case 0xdb:
			head, size = 5, int(binary.BigEndian.Uint32(rest[1:]))
		}
		fields = append(fields, string(rest[head:head+size]))
		rest = rest[head+size:]
	}
	if n := int(binary.BigEndian.Uint16(enc.buf[1:])); enc.buf[0] != 0xdc || n != len(fields) {
		t.Fatalf("an array of %d with %d strings", n, len(fields))
	}
	return fields[1:]
}

func click() []byte {
	s := tracker.Session{
		ID: tracker.NewSessionID(time.UnixMilli(1_790_000_000_000)), Network: "default", Code: "demo",
		Time: time.UnixMilli(1_790_000_000_000), Class: tracker.ClassHuman, Visitor: tracker.NewVisitorID(),
		IP: "192.0.2.1", UserAgent: "Mozilla/5.0 (é)", Host: "shop.example.com", Route: "/a", Query: "via=demo&x=%zz", Param: "via",
	}
	return s.AppendRecord(nil)
}

func TestEntryComesBackByteForByte(t *testing.T) {
	for name, payload := range map[string][]byte{
		"session":               click(),
		"tombstone":             tracker.AppendLost(nil, 3, "bit rot"),
		"no field":              {tracker.RecordVersion},
		"unknown field":         tracker.Record{Version: 1, Fields: []tracker.Field{{Name: 200, Value: "x"}}}.Append(nil),
		"repeated, empty field": tracker.Record{Version: 1, Fields: []tracker.Field{{Name: 4, Value: "x"}, {Name: 4}}}.Append(nil),
		"later version":         {9, 1, 1, 'x'},
		"long form of a length": {1, 1, 0x81, 0, 'x'},
		"no record":             []byte("\x00\xff junk"),
		"empty":                 {},
		"thousands of fields":   tracker.Record{Version: 1, Fields: make([]tracker.Field, 1)}.Append(bytes.Repeat([]byte{1, 4, 0}, 3000)),
	} {
		entry, ok := decodeEntry(origin, 7, sent(t, tracker.Entry{Seq: 7, Payload: payload}))
		if !ok || entry.Seq != 7 || !bytes.Equal(entry.Payload, payload) {
			t.Errorf("%s: got %q, %v", name, entry.Payload, ok)
		}
	}
}

func TestEntryHasPublicNames(t *testing.T) {
	fields := sent(t, tracker.Entry{Seq: 1, Payload: click()})
	names := make([]string, 0, len(fields)/2)
	for i := 0; i < len(fields); i += 2 {
		names = append(names, fields[i])
	}
	want := "v crc kind id network code time class visitor_id ip user_agent host route query param"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields\n%s, want\n%s", got, want)
	}
}

func TestDamagedEntryDoesNotVerify(t *testing.T) {
	good := sent(t, tracker.Entry{Seq: 7, Payload: click()})
	for name, damage := range map[string]func(f []string) []string{
		"a value changed":     func(f []string) []string { f[9] = "other"; return f },
		"a name changed":      func(f []string) []string { f[8] = "host"; return f },
		"order":               func(f []string) []string { f[8], f[10] = f[10], f[8]; f[9], f[11] = f[11], f[9]; return f },
		"a field less":        func(f []string) []string { return f[:len(f)-2] },
		"a field more":        func(f []string) []string { return append(f, "kind", "click") },
		"a field nobody has":  func(f []string) []string { return append(f, "x", "y") },
		"odd":                 func(f []string) []string { return append(f, "x") },
		"version":             func(f []string) []string { f[1] = "2"; return f },
		"version spelled":     func(f []string) []string { f[1] = "01"; return f },
		"version no byte":     func(f []string) []string { f[1] = "257"; return f },
		"checksum":            func(f []string) []string { f[3] = "00000000"; return f },
		"checksum upper case": func(f []string) []string { f[3] = strings.ToUpper(f[3]) + "A"; return f },
		"no head":             func(f []string) []string { return f[4:] },
		"nothing":             func([]string) []string { return nil },
	} {
		if _, ok := decodeEntry(origin, 7, damage(slices.Clone(good))); ok {
			t.Errorf("%s: verified", name)
		}
	}
	if _, ok := decodeEntry(origin, 8, good); ok {
		t.Error("verified under another number")
	}
	if _, ok := decodeEntry("other", 7, good); ok {
		t.Error("verified under another origin")
	}
}

func TestParseID(t *testing.T) {
	for id, want := range map[string]uint64{"1-0": 1, "999999999999-0": 999_999_999_999} {
		if seq, ok := parseID(id); !ok || seq != want {
			t.Errorf("%s: %d, %v", id, seq, ok)
		}
	}
	for _, id := range []string{"", "1", "1-1", "1-00", "-0", "01-0", "+1-0", "1000000000000-0", "18446744073709551616-0", "x-0"} {
		if seq, ok := parseID(id); ok {
			t.Errorf("%s: taken for %d", id, seq)
		}
	}
}

func TestMergeFillsFromParkedAndStopsAtAHole(t *testing.T) {
	at := func(seqs ...uint64) (entries []tracker.Entry) {
		for _, s := range seqs {
			entries = append(entries, tracker.Entry{Seq: s})
		}
		return entries
	}
	for _, c := range []struct {
		name    string
		sources []source
		count   int
		want    []tracker.Entry
	}{
		{"alone", []source{{good: at(1, 2, 3)}}, 10, at(1, 2, 3)},
		{"count", []source{{good: at(1, 2, 3)}}, 2, at(1, 2)},
		{"stops before a hole", []source{{good: at(1, 2, 4), hole: []uint64{3}}}, 10, at(1, 2)},
		{"first is a hole", []source{{good: at(2), hole: []uint64{1}}}, 10, at()},
		{"parked fills the hole", []source{{good: at(1, 3), hole: []uint64{2}}, {good: at(2)}}, 10, at(1, 2, 3)},
		{"parked follows", []source{{good: at(1, 2)}, {good: at(2, 3, 4)}}, 10, at(1, 2, 3, 4)},
		{"a hole in parked only", []source{{good: at(1, 2)}, {good: at(3), hole: []uint64{2}}}, 10, at(1, 2, 3)},
		{"count after the merge", []source{{good: at(1, 2)}, {good: at(5, 6)}}, 3, at(1, 2, 5)},
	} {
		if got := merge(c.sources, c.count); !slices.EqualFunc(got, c.want, func(a, b tracker.Entry) bool { return a.Seq == b.Seq }) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// FuzzEntry gives decodeEntry what a stranger may have put into a stream. fields are separated by line feeds.
func FuzzEntry(f *testing.F) {
	for _, payload := range [][]byte{click(), tracker.AppendLost(nil, 1, "x"), {9, 1}, {}} {
		f.Add("7-0", strings.Join(sent(f, tracker.Entry{Seq: 7, Payload: payload}), "\n"))
	}
	f.Add("7-1", "")
	f.Add("1790000000000-0", "x\ny")
	f.Add("7-0", "v\n1\ncrc\n00000000\nraw\n\x01")
	f.Fuzz(func(t *testing.T, id, blob string) {
		fields := strings.Split(blob, "\n")
		seq, ok := parseID(id)
		if !ok {
			return
		}
		entry, ok := decodeEntry(origin, seq, fields)
		if !ok {
			return
		}
		if again := sent(t, entry); again[3] != fields[3] || again[1] != fields[1] {
			t.Errorf("verified as %s %s, encodes as %s %s", fields[1], fields[3], again[1], again[3])
		}
		if len(fields) > 4 && fields[4] != fieldRaw {
			record, err := tracker.DecodeRecord(entry.Payload)
			if err == nil && 2*len(record.Fields) != len(fields)-4 {
				t.Errorf("%d fields became a record of %d", (len(fields)-4)/2, len(record.Fields))
			}
		}
	})
}
