package api

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestConversionIsAttributedAndRepeatsAreTheSameBytes(t *testing.T) {
	s := newShop(t)
	link := s.newLink("partner").object()
	_, token := s.click("acme", "partner")
	body := sale.with("token", token).with("meta_data", fields{"cart": []int{1, 2}, "big": 1 << 60})
	first := s.do("POST", "conversions", body).want(http.StatusCreated)
	made := first.object()
	if made["status"] != "pending" || toText(made["wage"]) != "999" || made["affiliate"] != link["affiliate"] || made["code"] != "partner" ||
		made["sub1"] != "news" || toText(made["link_id"]) != toText(link["id"]) {
		t.Errorf("made %s", first.body)
	}
	if first.header.Get("Idempotent-Replayed") != "" {
		t.Error("the first report is called a repeat")
	}
	s.books.Pass(90 * 24 * time.Hour)
	// The evidence is not part of the content, nor is white space in the meta data.
	for _, again := range []any{body, body.without("token"), body.with("status", "approved"), body.with("occurred_at", "2026-11-01T00:00:00Z")} {
		got := s.do("POST", "conversions", again).want(http.StatusCreated)
		if got.body != first.body || got.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("a repeat is answered %s\nthe first was %s", got.body, first.body)
		}
	}
	s.do("POST", "conversions", body.with("amount", 9991)).wantProblem(http.StatusConflict, "conflict")
	s.do("POST", "conversions", body.with("amount", 9991).with("duplicates", "new")).want(http.StatusCreated)

	read := s.do("GET", "conversions/"+strings.ToUpper(made["id"].(string)), nil).want(http.StatusOK).object()
	history := read["history"].([]any)
	if len(history) != 2 || history[0].(map[string]any)["kind"] != "created" || history[1].(map[string]any)["kind"] != "refused" {
		t.Errorf("the history is %v", history)
	}
	if actor := history[0].(map[string]any)["actor"]; actor != s.key[4:16] {
		t.Errorf("the actor is %v, want the key's id", actor)
	}
	considered := read["decision"].(map[string]any)["considered"].([]any)
	if len(considered) != 1 || considered[0].(map[string]any)["outcome"] != "won" {
		t.Errorf("the decision is %v", read["decision"])
	}
	if rows := s.do("GET", "conversions?external_id=order-1", nil).rows(); len(rows) != 2 || rows[0]["history"] != nil {
		t.Errorf("the list shows %v", rows)
	}
}

func TestEvidence(t *testing.T) {
	s := newShop(t)
	s.newLink("partner")
	session, token := s.click("acme", "partner")
	customer := s.do("POST", "customers", fields{"external_id": "c-1", "session_id": session.ID.String()}).want(http.StatusCreated).text("id")
	for i, evidence := range []fields{
		{"token": token}, {"session_id": session.ID.String()}, {"customer_id": customer}, {"customer_external_id": "c-1"},
	} {
		body := sale.with("external_id", fmt.Sprint("by-", i))
		for name, value := range evidence {
			body = body.with(name, value)
		}
		if got := s.do("POST", "conversions", body).want(http.StatusCreated); got.text("affiliate") != "partner of partner" {
			t.Errorf("%v: %s", evidence, got.body)
		}
	}
	for name, value := range map[string]string{"token": "v1.x.y", "session_id": "not-a-uuid"} {
		s.do("POST", "conversions", sale.with(name, value)).wantProblem(http.StatusUnprocessableEntity, "invalid", name)
	}
	if got := s.do("POST", "conversions", sale).want(http.StatusCreated).object(); got["affiliate_id"] != nil || toText(got["wage"]) != "0" {
		t.Errorf("nobody brought it, and it says %v", got)
	}
}

func TestAmountsAreExactAndBounded(t *testing.T) {
	s := newShop(t)
	for i, amount := range []int64{0, 1, 99, 1<<43 + 1, 9_999_999_999_999, tracker.MaxAmount} {
		got := s.do("POST", "conversions", sale.with("external_id", fmt.Sprint("ok-", i)).with("amount", amount)).want(http.StatusCreated)
		if got.number("amount") != amount {
			t.Errorf("%d became %d", amount, got.number("amount"))
		}
	}
	for _, amount := range []string{
		"-1", "-0.0", "9007199254740993", "10000000000001", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
		"1e400", "1e2000000000", "-1e2000000000", "1e2", "1.5", "1.0", `"5"`, "null", "true", "[5]", "{}", strings.Repeat("9", 5000),
	} {
		body := `{"external_id":"order-x","type":"buy","currency":"EUR","amount":` + amount + `}`
		s.soon(time.Second, "POST", "conversions", body).wantProblem(http.StatusUnprocessableEntity, "invalid", "amount")
	}
	for _, amount := range []int64{-1, tracker.MaxAmount + 1} {
		if got := s.do("POST", "conversions", sale.with("amount", amount)); strings.Contains(got.body, "commissions") {
			t.Errorf("%d is told of parts that nobody sent: %s", amount, got.body)
		}
	}
	for _, amount := range []string{"NaN", "Infinity", "0x10", "05", "+5", ".5", "1_000"} {
		s.do("POST", "conversions", `{"external_id":"order-x","type":"buy","currency":"EUR","amount":`+amount+`}`).
			wantProblem(http.StatusBadRequest, "malformed")
	}
	s.do("POST", "conversions", sale.without("amount")).wantProblem(http.StatusUnprocessableEntity, "invalid", "amount")
	if rows := s.do("GET", "conversions", nil).rows(); len(rows) != 6 {
		t.Errorf("%d conversions, want 6", len(rows))
	}
	// A filter takes a large amount exactly.
	if rows := s.do("GET", "conversions?min_amount="+fmt.Sprint(int64(1<<43+1))+"&max_amount="+fmt.Sprint(int64(1<<43+1)), nil).rows(); len(rows) != 1 {
		t.Errorf("the exact filter shows %d", len(rows))
	}
	s.do("POST", "transactions", `{"external_id":"t","customer_external_id":"c","currency":"EUR","deposit":`+fmt.Sprint(int64(math.MinInt64))+`}`).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "deposit")
}

func TestCurrenciesInLowerCase(t *testing.T) {
	s := newShop(t)
	first := s.do("POST", "conversions", sale.with("currency", "eur")).want(http.StatusCreated)
	if first.text("currency") != "EUR" {
		t.Errorf("booked as %s", first.body)
	}
	if again := s.do("POST", "conversions", sale).want(http.StatusCreated); again.body != first.body {
		t.Errorf("EUR is not the same as eur: %s", again.body)
	}
	wrong := s.do("POST", "conversions", sale.with("currency", "xxq")).wantProblem(http.StatusUnprocessableEntity, "invalid", "currency")
	if strings.Contains(wrong.body, "upper case") {
		t.Errorf("refused for a reason that is none: %s", wrong.body)
	}
}

func TestParts(t *testing.T) {
	s := newShop(t)
	parts := func(p ...fields) fields { return sale.with("commissions", p) }
	s.do("POST", "conversions", parts(fields{"name": "a", "sub_amount": 9000}, fields{"name": "b", "sub_amount": 990})).want(http.StatusCreated)
	for path, body := range map[string]fields{
		"commissions":               parts(fields{"name": "a", "sub_amount": 1}),
		"commissions[0].wage":       parts(fields{"name": "a", "sub_amount": 9990, "wage": 9990}),
		"commissions[0].name":       parts(fields{"sub_amount": 9990}),
		"commissions[1].sub_amount": parts(fields{"name": "a", "sub_amount": 9990}, fields{"name": "b"}),
		"currency":                  sale.with("currency", "XXQ"),
		"type":                      sale.with("type", "gift"),
		"status":                    sale.with("status", "rejected"),
		"meta_data":                 sale.with("meta_data", []int{1}),
		"duplicates":                sale.with("duplicates", "maybe"),
		"occurred_at":               sale.with("occurred_at", "yesterday"),
		"source":                    sale.with("source", "edge"),
	} {
		s.do("POST", "conversions", body).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
}

func TestMetaDataMayBeAnythingButAmbiguous(t *testing.T) {
	s := newShop(t)
	post := func(metaData string) reply {
		return s.do("POST", "conversions", `{"external_id":"x","type":"buy","amount":1,"currency":"EUR","meta_data":`+metaData+`}`)
	}
	post(`{"a":{"a":1,"a":2}}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "meta_data.a.a")
	post(`{"a":["b\u0000"]}`).wantProblem(http.StatusUnprocessableEntity, "invalid", "meta_data.a[0]")
	post(strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 40)).wantProblem(http.StatusUnprocessableEntity, "invalid")
	kept := `{"a":[1,{"b":null}],"A":"<&>","big":123456789012345678901234567890,"huge":1e2000000000}`
	if got := post(kept).want(http.StatusCreated); !strings.Contains(got.body, `123456789012345678901234567890,"huge":1e2000000000`) {
		t.Errorf("kept as %s", got.body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	s := newShop(t)
	post := func(key string, body fields) reply {
		r := s.request("POST", "conversions", body)
		r.Header.Set("Idempotency-Key", key)
		return s.send(r)
	}
	first := post("k-1", sale).want(http.StatusCreated)
	if again := post("k-1", sale).want(http.StatusCreated); again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a repeat is answered %s", again.body)
	}
	post("k-1", sale.with("amount", 1)).wantProblem(http.StatusUnprocessableEntity, "idempotency")
	post("k-1", sale.with("external_id", "other")).wantProblem(http.StatusUnprocessableEntity, "idempotency")
	post("k-2", sale.with("external_id", "other")).want(http.StatusCreated)
	s.key = s.books.NewKey("acme", tracker.ScopeAll) // another client's keys are its own
	post("k-1", sale.with("external_id", "third")).want(http.StatusCreated)
	for _, key := range []string{strings.Repeat("k", 256), "a\tb", "é", "a\x00"} {
		post(key, sale).wantProblem(http.StatusUnprocessableEntity, "invalid", "Idempotency-Key")
	}
	post(strings.Repeat("k", 255), sale).want(http.StatusCreated)
}

func TestLifeOfAConversion(t *testing.T) {
	s := newShop(t)
	s.newLink("partner")
	_, token := s.click("acme", "partner")
	path := "conversions/" + s.do("POST", "conversions", sale.with("token", token)).want(http.StatusCreated).text("id")

	s.do("PATCH", path, fields{"paid": true}).wantProblem(http.StatusConflict, "transition")
	if got := s.do("PATCH", path, fields{"status": "approved", "note": "checked"}).want(http.StatusOK); got.text("status") != "approved" {
		t.Errorf("approved: %s", got.body)
	}
	if got := s.do("PATCH", path, fields{"amount": 5000}).want(http.StatusOK); got.number("amount") != 5000 || got.number("wage") != 500 {
		t.Errorf("corrected: %s", got.body)
	}
	for field, value := range map[string]any{"status": "duplicated", "amount": -1, "paid": false, "external_id": "x", "wage": 1} {
		s.do("PATCH", path, fields{field: value}).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
		s.do("PATCH", path, fields{field: nil}).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
	}
	got := s.do("PATCH", path, fields{"note": "only that"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "note")
	if !strings.Contains(got.body, "nothing to change") {
		t.Errorf("a note alone: %s", got.body)
	}
	s.do("PATCH", path, fields{"note": "only that", "commissions": []fields{}}).wantProblem(http.StatusUnprocessableEntity, "invalid", "note")
	if got := s.do("PATCH", path, fields{"paid": true}).want(http.StatusOK).object(); got["checked_out"] != true || got["is_closed"] != true {
		t.Errorf("paid: %v", got)
	}
	s.do("PATCH", path, fields{"status": "rejected"}).wantProblem(http.StatusConflict, "closed")

	refund := fields{"external_id": "r-1", "conversion_external_id": "order-1", "conversion_type": "buy", "amount": 2000, "currency": "EUR"}
	taken := s.do("POST", "refunds", refund).want(http.StatusCreated)
	if taken.number("taken") != 2000 {
		t.Errorf("the refund is %s", taken.body)
	}
	if again := s.do("POST", "refunds", refund).want(http.StatusCreated); again.body != taken.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the refund's repeat is %s", again.body)
	}
	s.do("POST", "refunds", refund.with("amount", 1)).wantProblem(http.StatusConflict, "conflict")
	for field, value := range map[string]any{"amount": 0, "conversion_type": "x", "external_id": "", "note": 1} {
		s.do("POST", "refunds", refund.with(field, value)).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
	}
	reversed := s.do("POST", path+"/reversal", fields{"note": "fraud"}).want(http.StatusOK)
	if reversed.number("amount") != 0 || reversed.number("wage") != 0 {
		t.Errorf("reversed: %s", reversed.body)
	}
	var amount, wage int64
	var kinds []string
	for _, entry := range s.do("GET", path, nil).object()["history"].([]any) {
		change := entry.(map[string]any)
		var a, w int64
		fmt.Sscan(toText(change["amount"]), &a)
		fmt.Sscan(toText(change["wage"]), &w)
		amount, wage, kinds = amount+a, wage+w, append(kinds, change["kind"].(string))
	}
	if amount != 0 || wage != 0 || strings.Join(kinds, " ") != "created status amount paid refund reversed" {
		t.Errorf("the history %v adds up to %d and %d", kinds, amount, wage)
	}
}

func TestFiltersOfConversions(t *testing.T) {
	s := newShop(t)
	link := s.newLink("partner").object()
	session, token := s.click("acme", "partner")
	paid := s.do("POST", "conversions", sale.with("token", token).with("status", "approved")).want(http.StatusCreated).text("id")
	s.do("PATCH", "conversions/"+paid, fields{"paid": true}).want(http.StatusOK)
	s.books.Pass(time.Hour)
	s.do("POST", "conversions", fields{"external_id": "lead-1", "type": "lead", "amount": 0, "currency": "USD"}).want(http.StatusCreated)
	for query, want := range map[string]int{
		"": 2, "status=approved": 1, "status=rejected": 0, "external_id=order-1": 1, "is_closed=true": 1, "is_closed=false": 1,
		"checked_out=true": 1, "checked_out=false": 1, "min_commission_amount=1": 1, "max_commission_amount=0": 1,
		"min_created_at=2026-11-21T12:30:00Z": 1, "max_created_at=2026-11-21T12:30:00Z": 1, "min_updated_at=2026-11-21T14:30:00%2B02:00": 1,
		"max_updated_at=2026-11-21T12:00:00.000Z": 1, "min_amount=9990": 1, "min_amount=9991": 0, "max_amount=9989": 1,
		"min_wage=999": 1, "min_wage=1000": 0, "max_wage=0": 1, "type=lead": 1, "source=api": 2, "source=edge": 0,
		"affiliate_id=" + toText(link["affiliate_id"]): 1, "campaign_id=" + toText(link["campaign_id"]): 1, "link_id=" + toText(link["id"]): 1,
		"session_id=" + session.ID.String(): 1, "visitor_id=" + session.Visitor.String(): 1, "customer_id=" + someID: 0,
		"min_occurred_at=2026-11-21T12:30:00Z": 1, "max_occurred_at=2020-01-01T00:00:00Z": 0, "status=approved&type=lead": 0,
	} {
		if rows := s.do("GET", "conversions?"+query, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", query, len(rows), want)
		}
	}
}

func TestConcurrentRepeatsCountOnce(t *testing.T) {
	s := newShop(t)
	var group sync.WaitGroup
	replies := make([]reply, 12)
	for i := range replies {
		group.Go(func() { replies[i] = s.do("POST", "conversions", sale) })
	}
	group.Wait()
	firsts := 0
	for _, r := range replies {
		if r.want(http.StatusCreated).body != replies[0].body {
			t.Errorf("answers differ: %s", r.body)
		}
		if r.header.Get("Idempotent-Replayed") == "" {
			firsts++
		}
	}
	if rows := s.do("GET", "conversions", nil).rows(); firsts != 1 || len(rows) != 1 {
		t.Errorf("%d were the first, %d are booked", firsts, len(rows))
	}
}
