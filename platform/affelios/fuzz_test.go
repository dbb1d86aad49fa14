package affelios

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// FuzzCustomer reads bodies: what is taken is what the books take, and what is refused names only members.
func FuzzCustomer(f *testing.F) {
	for _, seed := range []string{
		newCustomer("c", ""), newCustomer("c", `,"clickId":"a","ClickKey":"a","country_code":"gb"`), newCustomer("c", `,"EXTERNALID":null`),
		`{"externalId":1e400}`, `{"":{}}`, `[]`, `{"registrationDate":"0001-01-01T00:00:00","revShareExcluded":[]}`, `{"\u212aey":1}`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, body string, strictly bool) {
		if !json.Valid([]byte(body)) || !utf8.ValidString(body) {
			return // readBody has refused it
		}
		s := &server{Options{Currency: "EUR", BrandID: true}}
		s.Strict = strictly
		n, _, err := s.readCustomer([]byte(strings.TrimSpace(body)))
		checkFaults(t, err)
		if err != nil {
			return
		}
		if n.ExternalID == "" || n.Brand == "" || n.RegisteredAt.IsZero() {
			t.Errorf("%+v is taken", n)
		}
	})
}

// FuzzTransactions reads lists: what is taken passes the books' own check, and amounts are what their digits say.
func FuzzTransactions(f *testing.F) {
	for _, seed := range []string{
		"[" + deposit("t", `,"depositAmount":-12.5,"grossRevenue":"3"`) + "]", `[]`, `[{"externalId":"t","clickKey":"x"}]`, `[1,{}]`,
		"[" + deposit("t", `,"cpaCommission":1e400,"transactionDate":"2026-01-01T00:00:00+14:00"`) + "," + deposit("u", "") + "]",
	} {
		f.Add(seed, "EUR")
		f.Add(seed, "JPY")
	}
	f.Fuzz(func(t *testing.T, body, currency string) {
		if _, ok := tracker.Exponent(currency); !ok || !json.Valid([]byte(body)) || !utf8.ValidString(body) {
			return
		}
		s := &server{Options{Currency: currency}}
		var wrong tracker.Invalid
		var list []report
		err := readList([]byte(strings.TrimSpace(body)), func(_ int, entry []byte) {
			list = append(list, s.readTransaction("[0].", entry, &wrong))
		})
		checkFaults(t, wrong.Err())
		if err != nil || wrong.Err() != nil {
			return
		}
		for _, n := range list {
			n.Network = "acme"
			if n.CustomerExternalID == "" {
				n.CustomerExternalID = "c"
			}
			if err := n.NewTransaction.Check(); err != nil {
				t.Errorf("the books refuse what is taken: %v", err)
			}
		}
	})
}

// checkFaults checks that each fault is at a documented member, or says of a short and plain name that it is none.
func checkFaults(t *testing.T, err error) {
	var wrong tracker.Invalid
	if err == nil {
		return
	}
	if !errors.As(err, &wrong) {
		t.Fatalf("the error is %v", err)
	}
	for _, w := range wrong {
		name := strings.TrimPrefix(w.Field, "[0].")
		if name == "" || name == "[0]" {
			continue
		}
		found := w.Message == "is not documented" && len(name) <= 64 && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
		for _, known := range append(transactionMembers, customerMembers...) {
			found = found || known == name
		}
		if !found || w.Message == "" {
			t.Errorf("a fault is at %q: %q", w.Field, w.Message)
		}
	}
}
