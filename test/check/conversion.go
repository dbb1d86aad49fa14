package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// Conversion is one row of `caddy affiliate conversion list --json`, and what the API answers for one.
type Conversion struct {
	ID          string `json:"id"`
	Source      string `json:"source"`
	ExternalID  string `json:"external_id"`
	Repeat      int    `json:"repeat"`
	Type        string `json:"type"`
	Status      string `json:"status"`
	Amount      int64  `json:"amount"`
	Currency    string `json:"currency"`
	Wage        int64  `json:"wage"`
	IsClosed    bool   `json:"is_closed"`
	CheckedOut  bool   `json:"checked_out"`
	AffiliateID int64  `json:"affiliate_id"`
	Affiliate   string `json:"affiliate"`
	Campaign    string `json:"campaign"`
	Code        string `json:"code"`
	SessionID   string `json:"session_id"`
	Decision    struct {
		Rule       string `json:"rule"`
		Reason     string `json:"reason"`
		Considered []struct {
			Evidence  string `json:"evidence"`
			SessionID string `json:"session_id"`
			Code      string `json:"code"`
			Outcome   string `json:"outcome"`
		} `json:"considered"`
	} `json:"decision"`
	History []Change `json:"history"`
}

// Change is an entry of a conversion's history.
type Change struct {
	Kind       string `json:"kind"`
	Status     string `json:"status"`
	Amount     int64  `json:"amount"`
	Wage       int64  `json:"wage"`
	ExternalID string `json:"external_id"`
	Actor      string `json:"actor"`
}

// Conversions returns every conversion in the ledger, newest first, without its history.
func Conversions(t testing.TB, p *caddy.Process) []Conversion {
	t.Helper()
	out, errs, status := p.CLI("affiliate", "conversion", "list", "--limit", "0", "--json")
	if status != 0 {
		t.Fatalf("caddy affiliate conversion list exits with %d: %s", status, errs)
	}
	var conversions []Conversion
	decode(t, out, &conversions)
	return conversions
}

// Counted waits until the ledger has all that was journalled, and then fails the test unless each of the orders is among the
// conversions exactly once, nothing is there twice and nothing was refused. Of the orders that many may be missing: those
// whose record the journal did not confirm in time. It returns the conversions.
func Counted(t testing.TB, orders []string, unrecorded int, p *caddy.Process) []Conversion {
	t.Helper()
	for _, o := range Settle(t, p).Origins {
		if o.Quarantined+o.Lost > 0 {
			t.Errorf("of origin %s %d records are in quarantine and %d lost", o.Origin, o.Quarantined, o.Lost)
		}
	}
	conversions := Conversions(t, p)
	report(t, judgeOrders(orders, unrecorded, conversions))
	return conversions
}

// judgeOrders returns a line for each way in which the conversions do not bear the orders out.
func judgeOrders(orders []string, unrecorded int, conversions []Conversion) (complaints []string) {
	rows := map[string]int{}
	for _, c := range conversions {
		rows[c.ExternalID]++
	}
	var missing []string
	for _, order := range orders {
		if rows[order] == 0 {
			missing = append(missing, order)
		}
	}
	if len(missing) > unrecorded {
		complaints = append(complaints, fmt.Sprintf("%d orders were answered and are not in the ledger, where %d may be missing: %s",
			len(missing), unrecorded, strings.Join(missing[:min(len(missing), 10)], " ")))
	}
	for order, n := range rows {
		if n > 1 {
			complaints = append(complaints, fmt.Sprintf("order %s is in the ledger %d times", order, n))
		}
	}
	return complaints
}
