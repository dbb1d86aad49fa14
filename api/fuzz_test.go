package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// FuzzPostConversion sends anything as a conversion: the answer is never our own fault, never late, and a refusal is a
// problem.
func FuzzPostConversion(f *testing.F) {
	for _, seed := range []string{
		`{"external_id":"order-1","type":"buy","amount":9990,"currency":"EUR"}`,
		`{"external_id":"o","type":"lead","amount":0,"currency":"JPY","name":"n","meta_data":{"a":[1,2,{"b":null}]},"occurred_at":"2026-01-01T00:00:00Z"}`,
		`{"external_id":"o","type":"sale","amount":10,"currency":"KWD","commissions":[{"name":"a","sub_amount":4},{"name":"b","sub_amount":6}],"status":"approved"}`,
		`{"external_id":"o","type":"buy","amount":1e400,"currency":"EUR"}`, `{"amount":1e2000000000}`, `{"amount":"5","amount":5}`,
		`{"token":"v1.a.b","session_id":"0193a000-0000-7000-8000-000000000001","customer_id":"x","coupon":"SPRING","duplicates":"new"}`,
		`{}`, `null`, `[]`, `{"a":`, "\xff", `{"external_id":"\ud800","type":"buy","amount":1,"currency":"EUR"}`, ``,
		`{"external_id":"\u0000","type":"buy","amount":1,"currency":"EUR","meta_data":{"\u0000":"\u0000"}}`,
	} {
		f.Add([]byte(seed))
	}
	all := newShop(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &shop{TB: t, api: all.api, books: all.books, key: all.key}
		all.books.Pass(time.Second) // so that the key's rate is no limit
		got := s.soon(5*time.Second, "POST", "conversions", string(body))
		switch got.status {
		case http.StatusCreated:
			if !json.Valid([]byte(got.body)) {
				t.Errorf("booked as %s", got.body)
			}
		case http.StatusBadRequest:
			got.wantProblem(http.StatusBadRequest, "malformed")
		case http.StatusConflict:
			got.wantProblem(http.StatusConflict, "conflict")
		case http.StatusRequestEntityTooLarge:
			got.wantProblem(http.StatusRequestEntityTooLarge, "too-large")
		default:
			got.wantProblem(http.StatusUnprocessableEntity, "invalid")
		}
	})
}

// FuzzDecode holds the strict decoder against encoding/json: what it takes, encoding/json reads as the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"name":"A","percent":"12.5"}`, `{"name":"A","commissions":[{"name":"x","percent":"1","fixed":{"amount":9007199254740993,"currency":"EUR"}}]}`,
		`{"name":"A","NAME":"B"}`, `{"name":"A","name":"B"}`, `{"window_seconds":1e3}`, `{"coupons":[{"code":"\u00e9","affiliate_id":-0}]}`,
		`{"deep_link_hosts":["a","b"],"archived":true}`, `{"commissions":[{"fixed":null}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours, theirs tracker.CampaignFields
		err := decode(data, &ours)
		var wrong tracker.Invalid
		if err != nil && !errors.As(err, &wrong) && !errors.Is(err, errMalformed) {
			t.Fatalf("an error of an unknown kind: %v", err)
		}
		if err != nil {
			return
		}
		if err := json.Unmarshal(data, &theirs); err != nil {
			t.Fatalf("taken, and encoding/json says %v", err)
		}
		one, _ := json.Marshal(ours)
		other, _ := json.Marshal(theirs)
		if string(one) != string(other) {
			t.Fatalf("read as %s, by encoding/json as %s", one, other)
		}
	})
}
