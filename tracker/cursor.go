package tracker

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// The most characters of a cursor, and of an id in it.
const (
	maxCursor   = 128
	maxCursorID = 64
)

var cursorEncoding = base64.RawURLEncoding.Strict()

// EncodeCursor returns the cursor after the row with that time, in milliseconds, and id: 1 to 64 printable characters of
// ASCII without a space. Lists that are sorted by number alone give 0 and the number.
func EncodeCursor(ms int64, id string) string {
	return cursorEncoding.EncodeToString([]byte(strconv.FormatInt(ms, 10) + " " + id))
}

// DecodeCursor reads what EncodeCursor wrote, and only that; of all else it returns ErrCursor.
func DecodeCursor(s string) (ms int64, id string, err error) {
	if len(s) > maxCursor {
		return 0, "", ErrCursor
	}
	text, err := cursorEncoding.DecodeString(s)
	if err != nil {
		return 0, "", ErrCursor
	}
	number, id, _ := strings.Cut(string(text), " ")
	ms, err = strconv.ParseInt(number, 10, 64)
	if err != nil || len(id) > maxCursorID || !isPlainText(id) || EncodeCursor(ms, id) != s {
		return 0, "", ErrCursor
	}
	return ms, id, nil
}

// isPlainText reports whether s has a byte, and only those from 0x21 to 0x7E.
func isPlainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isPlain(s[i]) {
			return false
		}
	}
	return s != ""
}
