package affili

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// statuses are the conversion's, at the numbers that the platform has for them.
var statuses = []tracker.ConversionStatus{
	tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected, tracker.StatusDuplicated,
}

// filters reads the query of a list.
type filters struct {
	query    url.Values
	currency string
	zone     *time.Location
	strict   bool
	wrong    tracker.Invalid
}

var errQuery = fails(http.StatusUnprocessableEntity, "query", "is not well formed")

// parseFilters returns what the query selects. Besides the platform's fourteen filters it takes limit and after, which are
// ours. What is no filter is refused: to leave it out would answer another question.
func (s *server) parseFilters(rawQuery string) (f tracker.ConversionFilter, p tracker.Page, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return f, p, errQuery
	}
	q := filters{query: query, currency: s.Currency, zone: s.Zone, strict: s.Strict}
	q.check()
	f = tracker.ConversionFilter{
		Status: q.status("status"), ExternalID: q.query.Get("external_id"), IsClosed: q.truth("is_closed"), CheckedOut: q.truth("checked_out"),
		MinCommissionAmount: q.amount("min_commission_amount"), MaxCommissionAmount: q.amount("max_commission_amount"),
		MinCreated: q.from("min_created_at"), MaxCreated: q.until("max_created_at"),
		MinUpdated: q.from("min_updated_at"), MaxUpdated: q.until("max_updated_at"),
		MinAmount: q.amount("min_amount"), MaxAmount: q.amount("max_amount"),
		MinWage: q.amount("min_wage"), MaxWage: q.amount("max_wage"),
	}
	for _, bound := range []*int64{
		f.MinCommissionAmount, f.MaxCommissionAmount, f.MinAmount, f.MaxAmount, f.MinWage, f.MaxWage,
	} {
		if bound != nil { // in the dialect's currency: those of others cannot be compared with it
			f.Currency = s.Currency
		}
	}
	return f, q.page(), q.wrong.Err()
}

var filterNames = []string{
	"status", "external_id", "is_closed", "checked_out", "min_commission_amount", "max_commission_amount", "min_created_at",
	"max_created_at", "min_updated_at", "max_updated_at", "min_amount", "max_amount", "min_wage", "max_wage", "limit", "after",
}

// check refuses unknown and repeated filters. Empty ones are none, unless strict: clients send the fields of forms.
func (q *filters) check() {
	for name, values := range q.query {
		switch {
		case !slices.Contains(filterNames, name):
			q.wrong.Add("query", "has filters other than "+strings.Join(filterNames, ", "))
		case len(values) > 1:
			q.wrong.Add(name, "is there twice")
		case q.strict && values[0] == "":
			q.wrong.Add(name, "is empty")
		}
	}
	slices.SortFunc(q.wrong, func(a, b tracker.FieldError) int { return strings.Compare(a.Field, b.Field) })
	q.wrong = slices.CompactFunc(q.wrong, func(a, b tracker.FieldError) bool { return a == b })
}

func (q *filters) status(name string) tracker.ConversionStatus {
	text := q.query.Get(name)
	if text == "" {
		return ""
	}
	status, ok := statusOf(text)
	if !ok {
		q.wrong.Add(name, wrongStatus)
	}
	return status
}

const wrongStatus = "is not 0, 1, 2 or 3"

func statusOf(text string) (tracker.ConversionStatus, bool) {
	n, err := strconv.Atoi(text)
	if err != nil || len(text) != 1 || n >= len(statuses) {
		return "", false
	}
	return statuses[n], true
}

func (q *filters) truth(name string) *bool {
	switch q.query.Get(name) {
	case "":
	case "0":
		return new(bool)
	case "1":
		yes := true
		return &yes
	default:
		q.wrong.Add(name, "is not 0 or 1")
	}
	return nil
}

func (q *filters) amount(name string) *int64 {
	text := q.query.Get(name)
	if text == "" {
		return nil
	}
	amount, err := tracker.ParseAmount(text, q.currency)
	if err != nil {
		q.wrong.Add(name, wrongAmount(q.currency, err))
	}
	return &amount
}

// from is the first moment of what the filter names.
func (q *filters) from(name string) time.Time {
	at, _ := q.moment(name)
	return at
}

// until is the last moment of what the filter names: answers show whole seconds, so all of one is in it.
func (q *filters) until(name string) time.Time {
	at, span := q.moment(name)
	if at.IsZero() {
		return at
	}
	if span == time.Second {
		return at.Add(span - time.Millisecond)
	}
	return at.AddDate(0, 0, 1).Add(-time.Millisecond) // a day of its zone, however long
}

// firstGregorian is a year that no Jalali date of these centuries has reached.
const firstGregorian = 1700

// isoTime is a time that names no zone, as a browser's form has it.
const isoTime = "2006-01-02T15:04:05"

// moment reads a time of the zone, by the Gregorian calendar, and tells how long what it names is: a day or a second.
func (q *filters) moment(name string) (at time.Time, span time.Duration) {
	text := q.query.Get(name)
	if text == "" {
		return time.Time{}, 0
	}
	if date, zone, spoilt := strings.Cut(text, " "); spoilt && strings.Contains(date, "T") && !q.strict {
		text = date + "+" + zone // a plus in a query that was not escaped
	}
	for _, layout := range []string{time.DateTime, time.DateOnly, isoTime, time.RFC3339} {
		at, err := time.ParseInLocation(layout, text, q.zone)
		if err != nil {
			continue
		}
		if at.Year() < firstGregorian {
			q.wrong.Add(name, "is not a Gregorian date")
			return time.Time{}, 0
		}
		if layout == time.DateOnly {
			return at, 24 * time.Hour
		}
		return at.Truncate(time.Second), time.Second
	}
	q.wrong.Add(name, "is not a date such as 2020-04-05 12:46:38, 2020-04-05 or 2020-04-05T12:46:38+03:30")
	return time.Time{}, 0
}

func (q *filters) page() tracker.Page {
	p := tracker.Page{After: q.query.Get("after"), Limit: tracker.MaxPage}
	if text := q.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > tracker.MaxPage {
			q.wrong.Add("limit", "is not a number from 1 to 500")
		}
		p.Limit = n
	}
	return p
}
