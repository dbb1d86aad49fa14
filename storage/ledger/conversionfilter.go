package ledger

import (
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// conversionConditions are what the filter asks, but for when conversions were created.
func conversionConditions(f tracker.ConversionFilter) []condition {
	var asked []condition
	equal := func(column, index string, kind indexKind, value any, given bool, beside ...string) {
		if given {
			asked = append(asked, condition{
				column: column, test: ` = ?`, values: []any{value}, index: index, kind: kind, few: fewRows, beside: beside,
			})
		}
	}
	equal(`c.external_id`, "conversion_external", exact, f.ExternalID, f.ExternalID != "")
	equal(`c.session_id <> '' AND c.session_id`, "conversion_session", exact, f.SessionID, f.SessionID != "")
	equal(`c.visitor_id <> '' AND c.visitor_id`, "conversion_visitor", exact, f.VisitorID, f.VisitorID != "")
	equal(`c.customer_id <> '' AND c.customer_id`, "conversion_customer", exact, f.CustomerID, f.CustomerID != "")
	equal(`c.link_id <> 0 AND c.link_id`, "conversion_link", ordered, f.LinkID, f.LinkID != 0)
	equal(`c.affiliate_id`, "conversion_affiliate", ordered, f.AffiliateID, f.AffiliateID != 0, `c.status`)
	equal(`c.campaign_id`, "conversion_campaign", ordered, f.CampaignID, f.CampaignID != 0, `c.status`)
	equal(`c.status`, "conversion_status", ordered, string(f.Status), f.Status != "")
	equal(`c.type`, "conversion_type", ordered, string(f.Type), f.Type != "")
	equal(`c.source`, "conversion_source", ordered, f.Source, f.Source != "")
	if f.Currency != "" {
		asked = append(asked, condition{column: `c.currency`, test: ` = ?`, values: []any{f.Currency}})
	}
	truth := func(yes, no, index string, value *bool) {
		switch {
		case value == nil:
		case *value:
			asked = append(asked, condition{test: yes, index: index, kind: ordered, few: fewRows})
		default:
			asked = append(asked, condition{test: no})
		}
	}
	truth(`c.closed`, `NOT c.closed`, "conversion_closed", f.IsClosed)
	truth(`c.reversed`, `NOT c.reversed`, "conversion_reversed", f.IsReversed)
	truth(`c.closed`, `NOT c.closed`, "conversion_closed", f.CheckedOut) // as what is paid is, and nothing else
	between := func(column, index string, few int, low, high *int64) {
		switch c := (condition{column: column, index: index, kind: sorted, few: few}); {
		case low != nil && high != nil:
			c.test, c.values = ` BETWEEN ? AND ?`, []any{*low, *high}
			asked = append(asked, c)
		case low != nil:
			c.test, c.values = ` >= ?`, []any{*low}
			asked = append(asked, c)
		case high != nil:
			c.test, c.values = ` <= ?`, []any{*high}
			asked = append(asked, c)
		}
	}
	between("c.amount", "conversion_amount", fewRows, f.MinCommissionAmount, f.MaxCommissionAmount) // the parts add up to the amount
	between("c.amount", "conversion_amount", fewRows, f.MinAmount, f.MaxAmount)
	between("c.wage", "conversion_wage", fewRows, f.MinWage, f.MaxWage)
	between("c.updated_at", "conversion_updated", fewTimes, moment(f.MinUpdated), moment(f.MaxUpdated))
	between("c.occurred_at", "conversion_occurred", fewTimes, moment(f.MinOccurred), moment(f.MaxOccurred))
	return asked
}

// moment is the time in milliseconds, or nil for none.
func moment(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := millis(t)
	return &ms
}

// andGiven adds the condition if there is a value.
func andGiven[T any](s *selection, condition string, value *T) {
	if value != nil {
		s.and(condition, *value)
	}
}

// andTime adds the condition unless the time is zero.
func andTime(s *selection, condition string, t time.Time) {
	if !t.IsZero() {
		s.and(condition, millis(t))
	}
}
