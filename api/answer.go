package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// object answers with v as JSON.
func object(status int, v any) answer {
	return func(w http.ResponseWriter, _ *http.Request) error {
		text, err := marshal(v)
		if err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
		writeJSON(w, status, text)
		return nil
	}
}

// stored answers with bytes that the books keep, exactly as they are: to the first report and to each repeat of it.
func stored(text []byte, replayed bool) answer {
	return func(w http.ResponseWriter, _ *http.Request) error {
		if replayed {
			w.Header().Set("Idempotent-Replayed", "true")
		}
		writeJSON(w, http.StatusCreated, text)
		return nil
	}
}

// nothing answers 204.
func nothing() answer {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// writeJSON sends an answer, with a line feed after it. A client that is gone is no error of ours.
func writeJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text)
	io.WriteString(w, "\n")
}

// marshal writes v as JSON. Text that visitors chose keeps its <, > and &, and its U+007F to U+009F become escapes: terminals
// take them for commands, and encoding/json leaves them as they are.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return EscapeControls(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}

// EscapeControls writes U+007F to U+009F in JSON as escapes. Visitors choose some of the text, terminals take these for commands,
// and encoding/json leaves them as they are.
func EscapeControls(text []byte) []byte {
	if !slices.ContainsFunc(text, func(c byte) bool { return c == 0x7f || c == 0xc2 }) {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		if r >= 0x7f && r <= 0x9f {
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = append(out, string(r)...)
	}
	return out
}

// found answers with what a look-up found.
func found[T any](v T, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	return object(http.StatusOK, v), nil
}
