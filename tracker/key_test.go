package tracker

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestNewKey(t *testing.T) {
	scopes := []Scope{"links:write", ScopeRead}
	key, text := NewKey("acme", "the shop", scopes, 20, testTime)
	id, secret, ok := ParseKey(text)
	if !ok || id != key.ID || len(text) != 60 || !strings.HasPrefix(text, "aff_"+key.ID+"_") {
		t.Fatalf("the key %s has the id %s; read: %q, %v", text, key.ID, id, ok)
	}
	if !key.Matches(secret) {
		t.Error("a key does not match its own secret")
	}
	if key.Network != "acme" || key.Name != "the shop" || !slices.Equal(key.Scopes, scopes) || key.Rate != 20 || !key.CreatedAt.Equal(testTime) {
		t.Errorf("the key is %+v", key)
	}
	if kept, err := json.Marshal(key); err != nil || strings.Contains(string(kept), secret) || strings.Contains(string(kept), key.Hash) {
		t.Errorf("a key shows its secret or its hash: %s, %v", kept, err)
	}
	scopes[0] = ScopeAll
	if key.Scopes[0] != "links:write" {
		t.Error("a key's scopes change with the list they were given in")
	}
}

func TestKeysDiffer(t *testing.T) {
	ids, secrets := map[string]bool{}, map[string]bool{}
	for range 1000 {
		_, text := NewKey("default", "x", nil, 0, testTime)
		id, secret, _ := ParseKey(text)
		if ids[id] || secrets[secret] {
			t.Fatal("a key came twice")
		}
		ids[id], secrets[secret] = true, true
	}
}

func TestKeyMatches(t *testing.T) {
	key, text := NewKey("default", "x", nil, 0, testTime)
	_, secret, _ := ParseKey(text)
	_, otherText := NewKey("default", "x", nil, 0, testTime)
	_, other, _ := ParseKey(otherText)
	for _, wrong := range []string{"", other, secret[1:], secret + "A", strings.ToUpper(secret), key.Hash} {
		if key.Matches(wrong) {
			t.Errorf("%q matches", wrong)
		}
	}
	for _, unknown := range []Key{{}, {Hash: "x"}, {Hash: noHash}} {
		if unknown.Matches(secret) || unknown.Matches("") || unknown.Matches(unknown.Hash) {
			t.Errorf("a key with the hash %q matches", unknown.Hash)
		}
	}
}

func TestForeignKeys(t *testing.T) {
	_, good := NewKey("default", "x", nil, 0, testTime)
	for _, bad := range []string{
		"", "aff_", good[1:], good + "A", good + "\n", " " + good, strings.ToUpper(good), "AFF_" + good[4:], "bff_" + good[4:],
		strings.Replace(good, "_", "-", 1), good[:16] + "-" + good[17:], good[:4] + "A" + good[5:], good[:4] + "1" + good[5:], good[:4] + "\x00" + good[5:],
		good[:59] + "=", good[:59] + "!", good[:59] + "\n", good[:20] + "\n" + good[21:], good[:20] + "+" + good[21:],
		good[:59] + "B", // bits beyond the last byte
		"aff_abcdefghijkl_" + strings.Repeat("A", 42) + "\n", // base64 skips line ends
	} {
		if id, secret, ok := ParseKey(bad); ok {
			t.Errorf("%q is read as %q, %q", bad, id, secret)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("")
	f.Add("aff_abcdefghijkl_" + strings.Repeat("A", 43))
	f.Add("aff_abcdefghijkl_" + strings.Repeat("\n", 43))
	f.Add("aff_abcdefghijk1_" + strings.Repeat("A", 42) + "B")
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, ok := ParseKey(text)
		if ok && "aff_"+id+"_"+secret != text {
			t.Errorf("%q is read as %q, %q", text, id, secret)
		}
		if ok && (len(id) != 12 || len(secret) != 43) {
			t.Errorf("%q has an id of %d and a secret of %d characters", text, len(id), len(secret))
		}
		if !ok && id+secret != "" {
			t.Errorf("%q is refused and yet read", text)
		}
	})
}

func TestKeyAllows(t *testing.T) {
	tests := []struct {
		has  []Scope
		asks Scope
		want bool
	}{
		{nil, "links:read", false},
		{[]Scope{"links:read"}, "links:read", true},
		{[]Scope{"links:read"}, "links:write", false},
		{[]Scope{"links:write"}, "links:read", false},
		{[]Scope{"links:write"}, "links:write", true},
		{[]Scope{"links:read"}, "campaigns:read", false},
		{[]Scope{"links:read", "campaigns:read"}, "campaigns:read", true},
		{[]Scope{ScopeRead}, "reports:read", true},
		{[]Scope{ScopeRead}, "links:write", false},
		{[]Scope{ScopeRead}, ScopeRead, true},
		{[]Scope{ScopeRead}, ScopeAll, false},
		{[]Scope{ScopeRead}, "privacy:read", false},
		{[]Scope{ScopeRead}, "privacy:write", false},
		{[]Scope{ScopeRead, "privacy:read"}, "privacy:read", true},
		{[]Scope{ScopeAll}, "privacy:read", true},
		{[]Scope{ScopeAll}, "keys:write", true},
		{[]Scope{ScopeAll}, ScopeRead, true},
		{[]Scope{ScopeAll}, ScopeAll, true},
		{[]Scope{"links:write", "links:read"}, ScopeRead, false},
	}
	for _, test := range tests {
		key := Key{Scopes: test.has}
		if got := key.Allows(test.asks); got != test.want {
			t.Errorf("%q allows %q: %v", test.has, test.asks, got)
		}
		if got := key.Grants([]Scope{test.asks}); got != test.want {
			t.Errorf("%q grants %q: %v", test.has, test.asks, got)
		}
	}
	key := Key{Scopes: []Scope{"links:read", "links:write"}}
	if !key.Grants([]Scope{"links:read", "links:write"}) || key.Grants([]Scope{"links:read", "keys:read"}) {
		t.Error("a key grants what it has not, or not what it has")
	}
}

func TestScopesOfAKey(t *testing.T) {
	check := func(scopes []Scope) error {
		key := Key{Network: "default", Name: "shop", Scopes: scopes}
		return key.Check()
	}
	every := []Scope{ScopeAll, ScopeRead, "reports:read"}
	for _, resource := range Resources {
		if resource != "reports" {
			every = append(every, Scope(resource+":read"), Scope(resource+":write"))
		}
	}
	for _, scope := range every {
		if err := check([]Scope{scope}); err != nil {
			t.Errorf("%q: %v", scope, err)
		}
	}
	if err := check(every); err != nil {
		t.Errorf("all of them: %v", err)
	}
	for _, bad := range []Scope{"", "write", "links", "links:", "links:delete", ":read", "link:read", "Links:read", "links:read ", "reports:write", "*:read", "secret"} {
		err := check([]Scope{"links:read", bad})
		if paths(err) != "scopes[1]" || bad == "secret" && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := check([]Scope{"links:read", "links:read"}); paths(err) != "scopes[1]" {
		t.Errorf("a scope given twice: %v", err)
	}
	for _, none := range [][]Scope{nil, {}, make([]Scope, 1000)} {
		if err := check(none); paths(err) != "scopes" {
			t.Errorf("%d scopes: %.200v", len(none), err)
		}
	}
}

func TestKeyCheck(t *testing.T) {
	key := Key{Network: "default", Name: " the shop ", Scopes: []Scope{ScopeRead}, Rate: MaxRate}
	if err := key.Check(); err != nil || key.Name != "the shop" {
		t.Errorf("%v; the name is %q", err, key.Name)
	}
	bad := Key{Network: "a b", Name: "x\x00", Rate: -1}
	if got := paths(bad.Check()); got != "network name scopes rate" {
		t.Errorf("wrong are: %s", got)
	}
}

// paths are the fields that an error names; the error's text if it is not an Invalid.
func paths(err error) string {
	var wrong Invalid
	if !errors.As(err, &wrong) {
		return fmt.Sprint(err)
	}
	fields := make([]string, len(wrong))
	for i, one := range wrong {
		fields[i] = one.Field
	}
	return strings.Join(fields, " ")
}
