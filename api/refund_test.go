package api

import (
	"net/http"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var refund = fields{"external_id": "r-1", "conversion_external_id": "order-1", "conversion_type": "buy", "amount": 90, "currency": "EUR"}

func TestARefundMayComeFirst(t *testing.T) {
	s := newShop(t)
	waiting := s.do("POST", "refunds", refund).want(http.StatusCreated)
	if waiting.number("taken") != 0 || waiting.object()["conversion_id"] != nil {
		t.Errorf("the waiting refund is %s", waiting.body)
	}
	if got := s.do("POST", "conversions", sale).want(http.StatusCreated); got.number("amount") != 9900 {
		t.Errorf("the conversion is %s", got.body)
	}
}

// Conversions of one external id that came by several ways are several, and a refund is of one of them.
func TestARefundNamesTheWayOfItsConversion(t *testing.T) {
	s := newShop(t)
	for i, source := range tracker.Sources {
		_, _, err := s.books.CreateConversion(t.Context(), tracker.NewConversion{
			Network: "acme", Source: source, ExternalID: "order-1", Type: tracker.TypeBuy, Amount: int64(1000 * (i + 1)), Currency: "EUR",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	left := func(source string) int64 {
		t.Helper()
		rows := s.do("GET", "conversions?source="+source, nil).rows()
		if len(rows) != 1 {
			t.Fatalf("%d conversions of the source %s", len(rows), source)
		}
		return s.do("GET", "conversions/"+rows[0]["id"].(string), nil).number("amount")
	}
	s.do("POST", "refunds", refund).want(http.StatusCreated) // of the API's, though others have the same id
	for i, source := range tracker.Sources {
		body := refund.with("source", source)
		if source == tracker.SourceAPI {
			body = body.with("external_id", "r-2")
		}
		got := s.do("POST", "refunds", body).want(http.StatusCreated)
		if got.text("source") != source || got.number("taken") != 90 || got.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("the refund of the source %s is %s", source, got.body)
		}
		if again := s.do("POST", "refunds", body).want(http.StatusCreated); again.body != got.body || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("its repeat is %s", again.body)
		}
		want := int64(1000*(i+1)) - 90
		if source == tracker.SourceAPI {
			want -= 90
		}
		if got := left(source); got != want {
			t.Errorf("the conversion of the source %s has %d left, want %d", source, got, want)
		}
	}
	for _, source := range []any{"edge", "API", 7, nil, "a b"} {
		s.do("POST", "refunds", refund.with("source", source)).wantProblem(http.StatusUnprocessableEntity, "invalid", "source")
	}
}
