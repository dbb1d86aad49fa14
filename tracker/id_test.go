package tracker

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestSessionIDIsUUIDv7(t *testing.T) {
	now := time.UnixMilli(0x0123_4567_89ab)
	seen := map[SessionID]bool{}
	for range 1000 {
		id := NewSessionID(now)
		text := id.String()
		if !strings.HasPrefix(text, "01234567-89ab-7") || !strings.ContainsRune("89ab", rune(text[19])) {
			t.Fatalf("%s is no UUIDv7 of that time", text)
		}
		if seen[id] {
			t.Fatalf("%s was minted twice", text)
		}
		seen[id] = true
		back, err := ParseSessionID(text)
		if err != nil || back != id {
			t.Fatalf("%s is read as %s, %v", text, back, err)
		}
	}
}

func TestSessionIDsSortByTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var last SessionID
	for i := range 100 {
		id := NewSessionID(now.Add(time.Duration(i*i) * time.Millisecond))
		if i > 1 && bytes.Compare(last[:], id[:]) >= 0 {
			t.Fatalf("%s was minted after %s", id, last)
		}
		last = id
	}
}

func TestParseSessionID(t *testing.T) {
	const good = "0198c1d2-7a3b-7c4d-8e5f-60718293a4b5"
	upper, err := ParseSessionID(strings.ToUpper(good))
	if err != nil || upper.String() != good {
		t.Errorf("upper case is read as %s, %v", upper, err)
	}
	for _, bad := range []string{"", good[1:], good + "0", strings.ReplaceAll(good, "-", ""), "x" + good[1:], good[:8] + "0" + good[9:], good[:13] + "0" + good[14:], good[:18] + "0" + good[19:], good[:23] + "0" + good[24:], "{" + good + "}"} {
		if id, err := ParseSessionID(bad); err != ErrID || !id.IsZero() {
			t.Errorf("%q is read as %s, %v", bad, id, err)
		}
	}
}

func TestVisitorID(t *testing.T) {
	id := NewVisitorID()
	if id.IsZero() || id == NewVisitorID() {
		t.Errorf("%s is not random", id)
	}
	back, err := ParseVisitorID(id.String())
	if err != nil || back != id || len(id.String()) != 32 {
		t.Errorf("%s is read as %s, %v", id, back, err)
	}
	for _, bad := range []string{"", id.String()[1:], id.String() + "0", "x" + id.String()[1:]} {
		if got, err := ParseVisitorID(bad); err != ErrID || !got.IsZero() {
			t.Errorf("%q is read as %s, %v", bad, got, err)
		}
	}
}
