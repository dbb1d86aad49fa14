package platformtest

import "testing"

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, have string
		ok         bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{`{"id":"{{id}}"}`, `{"id":"x-1"}`, true},
		{`{"id":"{{id}}"}`, `{"id":""}`, false},
		{`{{a}} {{a}}`, `1 1`, true},
		{`{{a}} {{a}}`, `1 2`, false},
		{`{"id":"{{id}}"}`, `{"id":"x","more":1}`, false},
	} {
		if got := matches(c.want, c.have, map[string]string{}); got != c.ok {
			t.Errorf("matches(%q, %q) = %t", c.want, c.have, got)
		}
	}
}
