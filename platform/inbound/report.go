package inbound

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The names under which trackers send what, the first that is there counts (Keitaro, Orbitra, Voluum, Binom, RedTrack, TUNE,
// Everflow). transaction_id is a click to some and a sale to others: it is the click where nothing else is.
var (
	clickNames  = []string{"click_id", "clickid", "cid", "subid", "sub_id", "cnv_id", "cks", "aff_click"}
	txnNames    = []string{"txid", "txn_id", "tid", "order_id", "orderid", "external_id", "conversion_unique_id", "rdtk_event_id", "event_id"}
	amountNames = []string{"amount", "payout", "sum", "revenue", "sale_amount", "cnv_payout"}
	statusNames = []string{"status", "cnv_status", "conversion_status"}
	typeNames   = []string{"type", "goal_type", "event", "goal"}
)

// statuses are the usual words, in lower case.
var statuses = map[string]tracker.ConversionStatus{
	"": tracker.StatusPending, "pending": tracker.StatusPending, "hold": tracker.StatusPending, "lead": tracker.StatusPending,
	"2": tracker.StatusPending, "approved": tracker.StatusApproved, "approve": tracker.StatusApproved, "confirmed": tracker.StatusApproved,
	"sale": tracker.StatusApproved, "paid": tracker.StatusApproved, "1": tracker.StatusApproved, "rejected": tracker.StatusRejected,
	"declined": tracker.StatusRejected, "trash": tracker.StatusRejected, "3": tracker.StatusRejected, "canceled": tracker.StatusRejected,
	"cancelled": tracker.StatusRejected, "reversed": Reversed, "refund": Reversed, "refunded": Reversed, "chargeback": Reversed,
}

// Reversed, in Options.Statuses, takes a conversion back.
const Reversed tracker.ConversionStatus = "reversed"

// first returns the first value that is there, by a name without case.
func first(values url.Values, names ...string) string {
	for _, name := range names {
		for given, all := range values {
			if strings.EqualFold(given, name) && len(all) > 0 && strings.TrimSpace(all[0]) != "" {
				return strings.TrimSpace(all[0])
			}
		}
	}
	return ""
}

// take books what a postback reports: a conversion, or another status or amount of one that was reported before. The same postback
// again changes nothing.
func (s *server) take(ctx context.Context, values url.Values) error {
	books, err := s.Books()
	if err != nil {
		return refuse(http.StatusServiceUnavailable, "there are no books here now; send it again, or to a hub")
	}
	n, status, err := s.conversion(values)
	if err != nil {
		return err
	}
	if status == Reversed {
		known, err := s.reverseKnown(ctx, books, n)
		if known || err != nil {
			return err
		}
	}
	answer, _, err := books.CreateConversion(ctx, n)
	if err != nil {
		return err
	}
	var booked struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &booked); err != nil {
		return fmt.Errorf("reading the books' answer: %w", err)
	}
	return s.move(ctx, books, booked.ID, status)
}

// reverseKnown takes back a sale that was reported before, whatever else the postback says of it: few senders say once more what
// it came to, and of one that is paid another amount would be refused.
func (s *server) reverseKnown(ctx context.Context, books Books, n tracker.NewConversion) (known bool, err error) {
	same := tracker.ConversionFilter{ExternalID: n.ExternalID, Type: n.Type, Source: n.Source}
	all, _, err := books.Conversions(ctx, s.Network, same, tracker.Page{})
	for i := 0; err == nil && i < len(all); i++ {
		_, err = books.ReverseConversion(ctx, s.Network, all[i].ID, "", name)
	}
	return len(all) > 0, err
}

// conversion reads the report.
func (s *server) conversion(values url.Values) (n tracker.NewConversion, status tracker.ConversionStatus, err error) {
	click, txn := first(values, clickNames...), first(values, txnNames...)
	if other := first(values, "transaction_id", "transactionid"); click == "" {
		click = other
	} else {
		txn = cmp.Or(txn, other)
	}
	n = tracker.NewConversion{
		Network: s.Network, Source: tracker.SourcePostback, ExternalID: cmp.Or(txn, click), Type: tracker.TypeSale,
		Currency: cmp.Or(first(values, "currency", "cnv_currency"), s.Currency), Coupon: first(values, "coupon", "promo_code"),
		Status: tracker.StatusPending, Duplicates: tracker.DuplicateUpdate, Actor: name,
	}
	if kind := tracker.ConversionType(strings.ToLower(first(values, typeNames...))); slices.Contains(
		[]tracker.ConversionType{tracker.TypeBuy, tracker.TypeLead, tracker.TypeClick}, kind) {
		n.Type = kind
	}
	if n.ExternalID == "" {
		return n, "", refuse(http.StatusUnprocessableEntity, "there is neither a click (click_id) nor a sale (txid)")
	}
	if amount := first(values, amountNames...); amount != "" {
		if n.Amount, err = tracker.ParseAmount(amount, strings.ToUpper(n.Currency)); err != nil {
			return n, "", refuse(http.StatusUnprocessableEntity, "the amount is none, or not in this currency: "+err.Error())
		}
	}
	if click != "" {
		if n.Evidence, err = s.evidence(click); err != nil {
			return n, "", err
		}
	}
	status, err = s.status(first(values, statusNames...))
	if status == tracker.StatusApproved {
		if s.Trusted {
			n.Status = tracker.StatusApproved
		} else {
			status = tracker.StatusPending
		}
	}
	return n, status, err
}

// evidence is a session's id, or a visitor's token.
func (s *server) evidence(click string) (e tracker.Evidence, err error) {
	if id, err := tracker.ParseSessionID(click); err == nil {
		e.Session = id
		return e, nil
	}
	if token, ok := s.OpenToken(s.Network, click); ok {
		e.Token = &token
		return e, nil
	}
	return e, refuse(http.StatusUnprocessableEntity, "the click is none of ours")
}

func (s *server) status(word string) (tracker.ConversionStatus, error) {
	word = strings.ToLower(word)
	if status, ok := s.Statuses[word]; ok {
		return status, nil
	}
	if status, ok := statuses[word]; ok {
		return status, nil
	}
	return "", refuse(http.StatusUnprocessableEntity, "the status is not known; name it in the configuration: status <theirs> <ours>")
}

// move brings the conversion to a status that is said of it. By a word alone it never goes back to pending: a sender that repeats an old postback
// would undo what was decided since.
func (s *server) move(ctx context.Context, books Books, id string, status tracker.ConversionStatus) error {
	if status == Reversed {
		_, err := books.ReverseConversion(ctx, s.Network, id, "", name)
		return err
	}
	if status == tracker.StatusPending {
		return nil
	}
	c, err := books.Conversion(ctx, s.Network, id)
	if err != nil || c.Status == status {
		return err
	}
	_, err = books.UpdateConversion(ctx, s.Network, id, tracker.ConversionUpdate{Status: &status, Actor: name})
	return err
}
