package api

import (
	"bytes"
	"strconv"
)

// hasLoneSurrogate reports whether an escape in valid JSON is one half of a pair without the other. It is no character, and
// encoding/json reads every such half as the same U+FFFD: two ids would be one.
func hasLoneSurrogate(data []byte) bool {
	for {
		at := bytes.IndexByte(data, '\\')
		if at < 0 {
			return false
		}
		data = data[at:]
		unit, escaped := escapedUnit(data)
		switch {
		case !escaped:
			data = data[2:] // any other escape
		case unit < 0xd800 || unit > 0xdfff:
			data = data[6:]
		default:
			low, follows := escapedUnit(data[6:])
			if unit > 0xdbff || !follows || low < 0xdc00 || low > 0xdfff {
				return true
			}
			data = data[12:]
		}
	}
}

// escapedUnit reads an escape such as \u00e9 at the beginning of data.
func escapedUnit(data []byte) (unit uint64, ok bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return unit, err == nil
}
