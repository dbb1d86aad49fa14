package tracker

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func TestCursor(t *testing.T) {
	for _, row := range []struct {
		ms int64
		id string
	}{{0, "1"}, {1772366400123, "0198c0de-0000-7000-8000-0000000000ff"}, {-5, "x"}, {1<<63 - 1, strings.Repeat("z", maxCursorID)}, {-1 << 63, "9"}} {
		cursor := EncodeCursor(row.ms, row.id)
		if strings.Trim(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%s needs escapes in a URL", cursor)
		}
		if ms, id, err := DecodeCursor(cursor); err != nil || ms != row.ms || id != row.id {
			t.Errorf("%+v comes back as %d, %q, %v", row, ms, id, err)
		}
	}
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestForeignCursors(t *testing.T) {
	good := EncodeCursor(12, "abc")
	for _, bad := range []string{
		"", "x", "!", "50", "1 a", good + "=", good + "\n", "\r" + good, " " + good, good + "A", strings.ToUpper(good),
		encoded("1"), encoded("1 "), encoded(" a"), encoded("x a"), encoded("+1 a"), encoded("01 a"), encoded("-0 a"), encoded("1  a"), encoded("1 a b"), encoded("1e3 a"),
		encoded("1 a\x00"), encoded("1 \xff"), encoded("1 é"), encoded("9223372036854775808 a"), encoded("1 " + strings.Repeat("a", maxCursorID+1)),
		strings.Repeat("A", 1<<16),
	} {
		if ms, id, err := DecodeCursor(bad); !errors.Is(err, ErrCursor) {
			t.Errorf("%.40q is %d, %q, %v", bad, ms, id, err)
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	for _, text := range []string{"", EncodeCursor(0, "1"), EncodeCursor(1772366400123, "0198c0de-0000-7000-8000-0000000000ff"), encoded("1 a\x00"), encoded("01 a")} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ms, id, err := DecodeCursor(text)
		if err != nil && !errors.Is(err, ErrCursor) {
			t.Errorf("%v is not ErrCursor", err)
		}
		if err == nil && (EncodeCursor(ms, id) != text || !isPlainText(id)) {
			t.Errorf("%q is %d, %q, which is %q", text, ms, id, EncodeCursor(ms, id))
		}
	})
}
