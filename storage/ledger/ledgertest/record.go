package ledgertest

import (
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// codes are the links that Sessions names in turn.
var codes = func() []string {
	codes := make([]string, 50)
	for i := range codes {
		codes[i] = fmt.Sprintf("partner-%d", i)
	}
	return codes
}()

// epoch is when the first session of every test was recorded.
var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Sessions returns n records of ordinary sessions, numbered from first on, one millisecond apart.
func Sessions(first uint64, n int) []ledger.Record {
	records := make([]ledger.Record, n)
	for i := range records {
		seq := first + uint64(i)
		records[i] = Record(seq, codes[seq%uint64(len(codes))])
	}
	return records
}

// Record returns the record of an ordinary session of that code.
func Record(seq uint64, code string) ledger.Record {
	at := epoch.Add(time.Duration(seq) * time.Millisecond)
	s := &ledger.Session{
		Session: tracker.Session{
			ID: tracker.NewSessionID(at), Network: tracker.DefaultNetwork, Code: code, Time: at,
			Class: tracker.ClassHuman, Visitor: tracker.NewVisitorID(), IP: "203.0.113.7",
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
			Host:      "shop.example.com", Route: "/products/42", Query: "via=" + code + "&sub1=newsletter&gclid=abc",
			Referrer: "https://blog.example.org/review", Param: "via",
		},
		Browser: "Chrome 140", OS: "Linux", Device: "Other",
		SubIDs: map[string]string{"sub1": "newsletter"}, ClickIDs: map[string]string{"gclid": "abc"},
	}
	return ledger.Record{Seq: seq, Session: s, Raw: s.AppendRecord(nil)}
}
