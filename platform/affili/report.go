package affili

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// version is that of the script, whose bodies differ: the second says sale and order_id where the first says buy and
// external_id, has no commissions and gives leads no name.
type version int

const (
	version1 version = 1 // also the merchants' routes
	version2 version = 2
)

// kind is the type of conversion that the body says: a word, or a number that answers have for one.
func (s *server) kind(b *body, v version) tracker.ConversionType {
	if !b.has("type") {
		b.wrong.Add("type", "is required")
		return ""
	}
	text, quoted, _ := scalar(b.members["type"])
	kind := tracker.ConversionType(text)
	if number := s.kindOf(text); !b.strict && (!quoted || number != "") {
		kind = number
	}
	switch {
	case kind == tracker.TypeBuy, kind == tracker.TypeLead, kind == tracker.TypeClick:
		return kind
	case kind == tracker.TypeSale && (v == version2 || !b.strict):
		return kind
	}
	b.wrong.Add("type", "is not buy, click or lead")
	return ""
}

// kindOf is the type of that number, or none.
func (s *server) kindOf(number string) tracker.ConversionType {
	for kind, n := range s.Types {
		if number == strconv.Itoa(n) {
			return kind
		}
	}
	return ""
}

// newConversion reads what the body says of a conversion; what is wrong with it, b notes.
func (s *server) newConversion(b *body, v version) tracker.NewConversion {
	n := tracker.NewConversion{
		Type: s.kind(b, v), ExternalID: b.text("external_id"), Amount: b.amount("amount", s.Currency), Currency: s.Currency,
		Commissions: b.parts(s.Currency), Coupon: b.text("coupon"), Name: b.text("name"), MetaData: b.object("meta_data"),
		Duplicates: tracker.DuplicateMark,
	}
	id := "external_id"
	if v == version2 && n.ExternalID == "" {
		id, n.ExternalID = "order_id", b.text("order_id")
	}
	named := "" // the commission by which it earns, where the body lists none
	switch n.Type {
	case tracker.TypeBuy:
		b.require(id, "amount")
		if v == version1 {
			b.require("commissions")
		}
	case tracker.TypeSale:
		b.require(id, "amount")
	case tracker.TypeLead:
		if v == version1 {
			b.require("name")
		}
		named = n.Name
	case tracker.TypeClick:
		named = string(tracker.TypeClick)
	}
	if named != "" && n.Commissions == nil {
		n.Commissions = []tracker.Part{{Name: named, SubAmount: n.Amount}}
	}
	return n
}

// book books the conversion and returns the books' answer. session has what is known of the visitor.
//
// Where the body has no token, since the visitor's browser kept none, the link that it names counts as clicked now: a session is
// booked for it, with an id that follows from the conversion's own, so that a repeat books no second one.
func (s *server) book(
	ctx context.Context, books Books, n tracker.NewConversion, b *body, session tracker.Session,
) ([]byte, error) {
	refused := n.Evidence.Consent == tracker.ConsentRefused
	hasToken := !refused && s.readToken(b, &n)
	if n.ExternalID == "" {
		n.ExternalID = unnamed(&n, s.Now())
	}
	if b.wrong == nil {
		b.wrong = check(n)
	}
	if err := b.wrong.Err(); err != nil {
		return nil, err
	}
	if !refused && !hasToken {
		if err := s.clickNow(ctx, books, &n, b, session); err != nil {
			return nil, err
		}
	}
	answer, _, err := books.CreateConversion(ctx, n)
	return answer, err
}

// clickNow books a session on the link that the body names, if it names one, as the evidence of the conversion.
func (s *server) clickNow(
	ctx context.Context, books Books, n *tracker.NewConversion, b *body, session tracker.Session,
) error {
	link, param, err := findLink(ctx, books, n.Network, b)
	if err != nil || link == nil {
		return err
	}
	session.ID = followingID(n)
	n.Evidence.Session = session.ID
	err = addSession(ctx, books, session, link, param, s.Now())
	if errors.Is(err, tracker.ErrNotFound) { // the sale counts all the same
		return nil
	}
	return err
}

// check is what the books would say is wrong with the conversion.
func check(n tracker.NewConversion) tracker.Invalid {
	var wrong tracker.Invalid
	errors.As(n.Check(), &wrong)
	return wrong
}

// readToken reads the token, one of ours or the id of a session, and reports whether there is one. One that is not ours tells
// nothing, and nobody earns: visitors may still have one of the platform's.
func (s *server) readToken(b *body, n *tracker.NewConversion) bool {
	text := b.text("token")
	if text == "" || text == "false" { // false as a cookie keeps it
		return false
	}
	token, ok := s.OpenToken(n.Network, text)
	session, err := tracker.ParseSessionID(text)
	switch {
	case ok:
		n.Evidence.Token = &token
	case b.strict:
		b.wrong.Add("token", "is not one of this network")
	case err == nil:
		n.Evidence.Session = session
	}
	return true
}

// unnamed is the external id of a lead or a click that was reported without one: each session has one click, and one lead of a
// name. Without a session each report is one more.
//
// The id stays when its person is erased, so it does not have the name, but a hash that takes the visitor's id to compute: the books
// forget that with the person, and nobody can try names out on the hash any more.
func unnamed(n *tracker.NewConversion, now time.Time) string {
	session, visitor := n.Evidence.Session, tracker.VisitorID{}
	if n.Evidence.Token != nil {
		session, visitor = n.Evidence.Token.Last.Session, n.Evidence.Token.Visitor
	}
	if session.IsZero() {
		return tracker.NewSessionID(now).String()
	}
	if n.Name == "" {
		return session.String()
	}
	sum := hmac.New(sha256.New, visitor[:])
	sum.Write([]byte(session.String() + "/" + n.Name))
	return session.String() + "/" + hex.EncodeToString(sum.Sum(nil)[:8])
}

// followingID is an id that follows from a conversion's identity, in the form that RFC 9562 leaves to such (version 8).
func followingID(n *tracker.NewConversion) (id tracker.SessionID) {
	sum := sha256.Sum256([]byte(strings.Join([]string{"affili session", n.Network, n.Source, string(n.Type), n.ExternalID}, "\x00")))
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}
