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

func TestRefundsThatWaitAreListedAndWithdrawn(t *testing.T) {
	s := newShop(t)
	s.do("POST", "conversions", sale).want(http.StatusCreated)
	taken := s.do("POST", "refunds", refund).want(http.StatusCreated)
	waits := s.do("POST", "refunds", refund.with("external_id", "r-2").with("conversion_external_id", "later")).want(http.StatusCreated)
	if waits.number("waiting") != 90 || waits.number("taken") != 0 || taken.number("waiting") != 0 || taken.number("taken") != 90 {
		t.Errorf("the refunds are %s and %s", taken.body, waits.body)
	}
	for path, want := range map[string]string{
		"refunds?waiting=true": "r-2", "refunds?waiting=false": "r-1", "refunds?external_id=r-1": "r-1",
		"refunds?conversion_external_id=later&conversion_type=buy&source=api": "r-2",
	} {
		if rows := s.do("GET", path, nil).rows(); len(rows) != 1 || rows[0]["external_id"] != want {
			t.Errorf("%s: %v, want %s", path, rows, want)
		}
	}
	if page := s.do("GET", "refunds?limit=1", nil).object(); page["next"] == nil {
		t.Error("the first of two pages has no next")
	}
	s.do("GET", "refunds?waiting=maybe", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "waiting")
	s.do("DELETE", "refunds/"+taken.text("id"), nil).wantProblem(http.StatusConflict, "transition")

	owner := s.key
	s.key = s.books.NewKey("rival", tracker.ScopeAll)
	s.do("GET", "refunds/"+waits.text("id"), nil).wantProblem(http.StatusNotFound, "not-found")
	s.do("DELETE", "refunds/"+waits.text("id"), nil).wantProblem(http.StatusNotFound, "not-found")
	if rows := s.do("GET", "refunds", nil).rows(); len(rows) != 0 {
		t.Errorf("another network's refunds are listed: %v", rows)
	}
	s.key = owner
	if got := s.do("GET", "refunds/"+waits.text("id"), nil).want(http.StatusOK); got.text("external_id") != "r-2" {
		t.Errorf("the refund is %s", got.body)
	}
	s.do("DELETE", "refunds/"+waits.text("id"), nil).want(http.StatusNoContent)
	s.do("GET", "refunds/"+waits.text("id"), nil).wantProblem(http.StatusNotFound, "not-found")
}

func TestWhatIsReversedIsRefusedAndFound(t *testing.T) {
	s := newShop(t)
	path := "conversions/" + s.do("POST", "conversions", sale).want(http.StatusCreated).text("id")
	if got := s.do("POST", path+"/reversal", nil).want(http.StatusOK).object(); got["is_reversed"] != true {
		t.Errorf("reversed it is %v", got)
	}
	for _, change := range []fields{{"status": "approved"}, {"amount": 1000}, {"paid": true}} {
		s.do("PATCH", path, change).wantProblem(http.StatusConflict, "reversed")
	}
	for query, want := range map[string]int{"is_reversed=true": 1, "is_reversed=false": 0, "is_reversed=true&is_closed=false": 1} {
		if rows := s.do("GET", "conversions?"+query, nil).rows(); len(rows) != want {
			t.Errorf("%s: %d conversions, want %d", query, len(rows), want)
		}
	}
}
