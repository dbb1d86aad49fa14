package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestKeys(t *testing.T) {
	s := newShop(t)
	made := s.do("POST", "keys", fields{"name": "shop", "scopes": []string{"conversions:write"}, "rate": 7}).want(http.StatusCreated)
	secret := made.text("key")
	if made.text("name") != "shop" || made.text("network") != "acme" || made.number("rate") != 7 || !strings.HasPrefix(secret, "aff_"+made.text("id")+"_") {
		t.Errorf("made %s", made.body)
	}
	list := s.do("GET", "keys", nil)
	if rows := list.rows(); len(rows) != 2 || strings.Contains(list.body, secret[17:]) || strings.Contains(list.body, "hash") ||
		strings.Contains(list.body, tracker.HashSecret(secret[17:])) {
		t.Errorf("the list is %s", list.body)
	}
	admin := s.key
	s.key = secret
	s.do("POST", "conversions", sale).want(http.StatusCreated)
	s.do("GET", "conversions", nil).wantProblem(http.StatusForbidden, "forbidden")
	s.key = admin
	s.do("DELETE", "keys/"+made.text("id"), nil).want(http.StatusNoContent)
	for _, row := range s.do("GET", "keys", nil).rows() {
		if revoked := row["revoked_at"] != nil; revoked != (row["id"] == made.text("id")) {
			t.Errorf("revoked is %v in %v", revoked, row)
		}
	}
	s.do("DELETE", "keys/aaaaaaaaaaaa", nil).wantProblem(http.StatusNotFound, "not-found")
	s.do("DELETE", "keys/short", nil).wantProblem(http.StatusNotFound, "not-found")
	for field, value := range map[string]any{
		"name": " \u00a0", "rate": -1, "scopes": []string{}, "scopes[0]": []string{"money:print"}, "network": "other", "id": "x", "hash": "x",
	} {
		body := fields{"name": "k", "scopes": []string{"read"}}.with(strings.TrimSuffix(field, "[0]"), value)
		s.do("POST", "keys", body).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
	}
	for _, name := range []string{"", strings.Repeat("é", 256), "a\nb", "\tfast", "fast "} {
		s.do("POST", "keys", fields{"name": name, "scopes": []string{"read"}}).wantProblem(http.StatusUnprocessableEntity, "invalid", "name")
	}
	fastest := fields{"name": "fast", "scopes": []string{"read"}, "rate": tracker.MaxRate}
	if got := s.do("POST", "keys", fastest).want(http.StatusCreated); got.text("name") != "fast" || got.number("rate") != tracker.MaxRate {
		t.Errorf("made %s", got.body)
	}
	s.do("POST", "keys", fastest.with("rate", tracker.MaxRate+1)).wantProblem(http.StatusUnprocessableEntity, "invalid", "rate")
}

func TestAKeyGivesOnlyWhatItHas(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		has, gives []tracker.Scope
		status     int
	}{
		{[]tracker.Scope{"keys:write"}, []tracker.Scope{"keys:write"}, http.StatusCreated},
		{[]tracker.Scope{"keys:write"}, []tracker.Scope{"keys:read"}, http.StatusForbidden},
		{[]tracker.Scope{"keys:write"}, []tracker.Scope{"*"}, http.StatusForbidden},
		{[]tracker.Scope{"keys:write", "links:write"}, []tracker.Scope{"links:write", "links:read"}, http.StatusForbidden},
		{[]tracker.Scope{"keys:write", "read"}, []tracker.Scope{"read", "links:read"}, http.StatusCreated},
		{[]tracker.Scope{"keys:write", "read"}, []tracker.Scope{"links:write"}, http.StatusForbidden},
		{[]tracker.Scope{"*"}, []tracker.Scope{"*"}, http.StatusCreated},
	} {
		s.key = s.books.NewKey("acme", c.has...)
		if got := s.do("POST", "keys", fields{"name": "k", "scopes": c.gives}); got.status != c.status {
			t.Errorf("%v gives %v: %s", c.has, c.gives, got.body)
		}
	}
}

func TestAKeyGivesNoHigherRateThanItHas(t *testing.T) {
	s := newShop(t)
	admin := s.key
	for _, c := range []struct{ has, gives, status int }{
		{7, 7, http.StatusCreated},
		{7, 8, http.StatusForbidden},
		{7, 0, http.StatusForbidden}, // which is 100
		{0, 100, http.StatusCreated},
		{0, 101, http.StatusForbidden},
		{200, 0, http.StatusCreated},
	} {
		s.key = admin
		s.key = s.do("POST", "keys", fields{"name": "k", "scopes": []string{"keys:write"}, "rate": c.has}).want(http.StatusCreated).text("key")
		got := s.do("POST", "keys", fields{"name": "k", "scopes": []string{"keys:write"}, "rate": c.gives})
		if c.status == http.StatusForbidden {
			got.wantProblem(c.status, "forbidden", "rate")
		} else {
			got.want(c.status)
		}
	}
	operator := AsOperator(s.request("POST", "keys", fields{"name": "k", "scopes": []string{"*"}, "rate": tracker.MaxRate}), "acme")
	s.send(operator).want(http.StatusCreated)
}

func TestAKeyRevokesOnlyWhatItMatches(t *testing.T) {
	s := newShop(t)
	strong := s.do("POST", "keys", fields{"name": "strong", "scopes": []string{"*"}}).want(http.StatusCreated)
	weak := s.do("POST", "keys", fields{"name": "weak", "scopes": []string{"keys:write"}}).want(http.StatusCreated)
	s.key = weak.text("key")
	s.do("DELETE", "keys/"+strong.text("id"), nil).wantProblem(http.StatusForbidden, "forbidden")
	s.do("DELETE", "keys/"+weak.text("id"), nil).want(http.StatusNoContent)
}
