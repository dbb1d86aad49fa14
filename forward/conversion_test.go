package forward

import (
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// sale is a sale to the visitor of a click.
func sale(id string, s tracker.Session) tracker.NewConversion {
	touch := tracker.Touch{Session: s.ID, Code: s.Code, Time: s.Time}
	return tracker.NewConversion{
		ID: tracker.NewSessionID(time.Now()).String(), Network: "default", Source: tracker.SourceHeader, ExternalID: id, Type: tracker.TypeBuy,
		Amount: 9990, Currency: "EUR", OccurredAt: time.Now(),
		Evidence: tracker.Evidence{Cookie: &tracker.Token{Network: "default", Visitor: s.Visitor, First: touch, Last: touch}},
	}
}

// TestConversionsAreAppliedOnce books a sale with its click, the same sale again, and what only looks like one.
func TestConversionsAreAppliedOnce(t *testing.T) {
	j, l := openJournal(t, t.TempDir()), openLedger(t)
	if _, err := l.AddLink(t.Context(), ledger.NewLink{Network: "default", Code: "demo", Affiliate: "Demo"}); err != nil {
		t.Fatal(err)
	}
	clicked := click("demo")
	sold, again := sale("1", clicked), sale("1", clicked)
	worthless := sale("2", clicked)
	worthless.Amount = -1
	torn := tracker.Record{Version: tracker.RecordVersion, Fields: []tracker.Field{{Name: tracker.FieldKind, Value: string(tracker.KindConversion)}}}
	appendAll(t, j, clicked.AppendRecord(nil), sold.AppendRecord(nil), again.AppendRecord(nil), worthless.AppendRecord(nil), torn.Append(nil))
	if _, err := newApplier(t, j, l).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	booked, _, err := l.Conversions(t.Context(), "default", tracker.ConversionFilter{}, tracker.Page{})
	if err != nil || len(booked) != 1 {
		t.Fatalf("%d conversions in the ledger, %v", len(booked), err)
	}
	if got := booked[0]; got.ID != sold.ID || got.Amount != 9990 || got.Affiliate != "Demo" || got.SessionID != clicked.ID.String() {
		t.Errorf("booked as %+v", got)
	}
	live, _ := j.Live()
	row, err := l.Origin(t.Context(), live)
	if err != nil {
		t.Fatal(err)
	}
	if row.Cursor != 5 || row.Applied != 3 || row.Quarantined != 2 {
		t.Errorf("the origin stands at %+v; want cursor 5 = 3 applied + 2 quarantined", row)
	}
}
