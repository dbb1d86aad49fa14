package tracker

import (
	"bytes"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

func TestRecordRoundTrip(t *testing.T) {
	long := strings.Repeat("x", MaxQuery)
	r := Record{Version: RecordVersion, Fields: []Field{{FieldKind, "click"}, {FieldQuery, long}, {200, "from a later version"}, {FieldParam, ""}, {FieldKind, "again"}}}
	payload := r.Append([]byte("before"))
	if !bytes.HasPrefix(payload, []byte("before\x01")) {
		t.Fatalf("encoded as %.10q", payload)
	}
	back, err := DecodeRecord(payload[6:])
	if err != nil || !slices.Equal(back.Fields, r.Fields) {
		t.Fatalf("decoded as %v, %v", back, err)
	}
	if back.Kind() != KindClick || back.Get(FieldQuery) != long || back.Get(FieldHost) != "" {
		t.Errorf("fields are read as %q, %q", back.Kind(), back.Get(FieldHost))
	}
	clear(payload)
	if back.Get(FieldQuery) != long {
		t.Error("the values alias the payload")
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	whole := Record{Version: RecordVersion, Fields: []Field{{FieldKind, "click"}, {FieldCode, "demo"}}}.Append(nil)
	tests := map[string][]byte{
		"nothing":             nil,
		"another version":     append([]byte{2}, whole[1:]...),
		"field number 0":      {1, 0, 0},
		"no length":           {1, 1},
		"half a length":       {1, 1, 0x80},
		"an endless length":   {1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"more than there is":  {1, 1, 3, 'a', 'b'},
		"a huge length":       {1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 'a'},
		"the end is cut off":  whole[:len(whole)-1],
		"a length is cut off": whole[:9],
	}
	for name, payload := range tests {
		if r, err := DecodeRecord(payload); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: decoded as %v, %v", name, r, err)
		}
	}
}

func TestAppendLost(t *testing.T) {
	r, err := DecodeRecord(AppendLost(nil, 18446744073709551615, "checksum"))
	if err != nil || r.Kind() != KindLost || r.Get(FieldFrom) != "18446744073709551615" || r.Get(FieldReason) != "checksum" {
		t.Errorf("decoded as %v, %v", r, err)
	}
}

func TestChecksumCoversEverything(t *testing.T) {
	payload := []byte("\x01payload")
	want := crc32.Checksum([]byte("origin\x00\x00\x00\x00\x00\x00\x00\x07\x01payload"), crc32.MakeTable(crc32.Castagnoli))
	if got := Checksum("origin", 7, payload); got != want {
		t.Errorf("it is %#x, not CRC-32C's %#x", got, want)
	}
	others := []uint32{Checksum("origim", 7, payload), Checksum("origin", 8, payload), Checksum("origin", 7<<32, payload), Checksum("origin", 7, payload[:7])}
	for bit := range len(payload) * 8 {
		flipped := bytes.Clone(payload)
		flipped[bit/8] ^= 1 << (bit % 8)
		others = append(others, Checksum("origin", 7, flipped))
	}
	if slices.Contains(others, want) {
		t.Error("a change is not seen")
	}
	origin := strings.Repeat("o", 36)
	if n := testing.AllocsPerRun(100, func() { Checksum(origin, 7, payload) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFieldNames(t *testing.T) {
	seen := map[string]bool{}
	for n := FieldName(1); n != 0; n++ { // all 255
		text := n.String()
		if back, ok := ParseFieldName(text); !ok || back != n || seen[text] {
			t.Errorf("field %d is %q, which is read as %d, %t", n, text, back, ok)
		}
		seen[text] = true
	}
	for _, bad := range []string{"", "f", "f0", "f2", "f02", "f017", "f+17", "f256", "f-1", "Kind", "v", "crc"} {
		if n, ok := ParseFieldName(bad); ok {
			t.Errorf("%q is read as field %d", bad, n)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	s := testSession()
	f.Add(s.AppendRecord(nil))
	f.Add(AppendLost(nil, 3, "torn"))
	f.Add([]byte{1, 1, 0x80, 0x00})
	f.Add([]byte{1, 255, 1, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := DecodeRecord(payload)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("not an ErrRecord: %v", err)
			}
			return
		}
		again, err := DecodeRecord(r.Append(nil))
		if err != nil || again.Version != r.Version || !slices.Equal(again.Fields, r.Fields) {
			t.Fatalf("%v is encoded and decoded as %v, %v", r, again, err)
		}
		if id := RecordID(r.Append(nil)); id != r.Get(FieldID) {
			t.Fatalf("the id of %v is read as %q", r, id)
		}
		if s, err := r.Session(); err == nil && r.Kind() == KindClick {
			checkSessionRoundTrip(t, s)
		}
	})
}

// FuzzFieldNames takes a record to the fields of a stream entry and back.
func FuzzFieldNames(f *testing.F) {
	s := testSession()
	f.Add(s.AppendRecord(nil), "kind")
	f.Add([]byte{1, 17, 0, 255, 1, 'x'}, "f17")
	f.Fuzz(func(t *testing.T, payload []byte, name string) {
		if n, ok := ParseFieldName(name); ok && (n == 0 || n.String() != name) {
			t.Fatalf("%q is read as %d, which is %q", name, n, n)
		}
		r, err := DecodeRecord(payload)
		if err != nil {
			return
		}
		back := Record{Version: r.Version}
		for _, field := range r.Fields {
			n, ok := ParseFieldName(field.Name.String())
			if !ok {
				t.Fatalf("field %d has no name that can be read", field.Name)
			}
			back.Fields = append(back.Fields, Field{n, field.Value})
		}
		if !bytes.Equal(back.Append(nil), r.Append(nil)) {
			t.Fatalf("%v came back as %v", r, back)
		}
	})
}
