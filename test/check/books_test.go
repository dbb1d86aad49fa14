package check

import (
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// The judge sees each thing that it is there to see.
func TestJudge(t *testing.T) {
	a, b := load.Token{Session: "a", Cookie: "1"}, load.Token{Session: "b", Cookie: "2"}
	for _, c := range []struct {
		name   string
		tokens []load.Token
		rows   map[string]int
		want   string // part of the only complaint; empty: none
	}{
		{"all is well", []load.Token{a, b}, map[string]int{"a": 1, "b": 1}, ""},
		{"a click nobody was answered", []load.Token{a}, map[string]int{"a": 1, "b": 1}, ""},
		{"lost", []load.Token{a, b}, map[string]int{"a": 1}, "session b was acknowledged and is lost"},
		{"doubled", []load.Token{a}, map[string]int{"a": 2}, "session a is in the ledger 2 times"},
		{"doubled, unacknowledged", nil, map[string]int{"a": 2}, "2 times"},
		{"one session for two visitors", []load.Token{a, {Session: "a", Cookie: "9"}}, map[string]int{"a": 1}, "handed out twice"},
		{"no id", []load.Token{{Cookie: "1"}}, nil, "without its session's id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(c.tokens, c.rows)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("the judge says %q, want %q", got, c.want)
			}
		})
	}
}

func TestSettled(t *testing.T) {
	for _, c := range []struct {
		name  string
		audit Audit
		want  bool
	}{
		{"empty", Audit{Balanced: true}, true},
		{"applied", Audit{true, []Origin{{Issued: 2, Applied: 2, Balanced: true}}}, true},
		{"on its way", Audit{true, []Origin{{Issued: 2, Applied: 1, Journalled: 1, Balanced: true}}}, false},
		{"one origin off", Audit{true, []Origin{{Balanced: true}, {Lost: 1}}}, false},
		{"said to be off", Audit{Balanced: false}, false},
	} {
		if got := settled(c.audit); got != c.want {
			t.Errorf("%s: settled is %t", c.name, got)
		}
	}
}
