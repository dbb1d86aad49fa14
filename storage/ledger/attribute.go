package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// attribution is what evidence has led to.
type attribution struct {
	Decision tracker.Decision
	Winner   *tracker.Considered  // nil: nobody earns
	Rules    []tracker.Commission // of the winner's campaign
	Visitor  string               // whom the winner's click was of; may be empty
	Sub1     string               // of the winner's session
	Customer string               // the books' id of the customer whom the evidence names; empty if they do not know one
}

// attribute asks who earns what happened in the network at that time. When the touch of a token wins whose session is lost,
// the session is made again from it.
func (l *Ledger) attribute(
	ctx context.Context, tx *sql.Tx, network string, at time.Time, e tracker.Evidence,
) (attribution, error) {
	q, err := l.inquire(ctx, tx, network, e)
	if err != nil {
		return attribution{}, fmt.Errorf("looking up the evidence: %w", err)
	}
	a := attribution{Customer: q.customer.id}
	a.Decision = tracker.Attribute(*l.terms.Load(), at, e.Consent, q.claims(), func(code string) *tracker.LinkTerms {
		if found := q.links[tracker.CodeKey(code)]; found != nil {
			return &found.LinkTerms
		}
		return nil
	})
	if a.Winner = a.Decision.Winner(); a.Winner == nil {
		return a, nil
	}
	if err := q.follow(ctx, &a); err != nil {
		return attribution{}, err
	}
	return a, nil
}

// claims are the pieces of evidence, strongest first.
func (q *inquiry) claims() []tracker.Claim {
	var claims []tracker.Claim
	if q.evidence.Token != nil {
		claims = append(claims, tracker.Claim{Kind: tracker.EvidenceToken, Touches: touches(q.evidence.Token)})
	}
	if !q.evidence.Session.IsZero() {
		claims = append(claims, q.sessionClaim())
	}
	if q.evidence.CustomerID != "" || q.evidence.CustomerExternalID != "" {
		claims = append(claims, q.customerClaim())
	}
	if q.evidence.Coupon != "" {
		claims = append(claims, couponClaim(tracker.EvidenceCoupon, q.evidence.Coupon, q.coupon))
	}
	if q.evidence.Cookie != nil {
		claims = append(claims, tracker.Claim{Kind: tracker.EvidenceCookie, Touches: touches(q.evidence.Cookie)})
	}
	return claims
}

func (q *inquiry) sessionClaim() tracker.Claim {
	claim := tracker.Claim{Kind: tracker.EvidenceSession}
	if s, known := q.sessions[q.evidence.Session.String()]; known {
		claim.Touches, claim.Class = []tracker.Touch{{Session: q.evidence.Session, Code: s.code, Time: s.time}}, s.class
	} else {
		claim.Failed = tracker.UnknownSession
	}
	return claim
}

func (q *inquiry) customerClaim() tracker.Claim {
	claim := tracker.Claim{Kind: tracker.EvidenceCustomer}
	by := q.customer.by
	switch {
	case q.customer.id == "":
		claim.Failed = tracker.UnknownCustomer
	case by == nil:
		claim.Failed = tracker.OrganicCustomer
	case by.Time == nil:
		return couponClaim(tracker.EvidenceCustomer, by.Code, q.customer.offer)
	default:
		session, _ := tracker.ParseSessionID(by.SessionID) // it names nothing any more where it was erased
		claim.Touches = []tracker.Touch{{Session: session, Code: by.Code, Time: *by.Time}}
	}
	return claim
}

func couponClaim(kind tracker.EvidenceKind, code string, found *offer) tracker.Claim {
	claim := tracker.Claim{Kind: kind, Code: code}
	if found != nil {
		claim.Link = &found.LinkTerms
	}
	return claim
}

// touches are the distinct touches of a token, in order.
func touches(t *tracker.Token) []tracker.Touch {
	var list []tracker.Touch
	if !t.First.IsZero() && t.First != t.Last {
		list = append(list, t.First)
	}
	if !t.Last.IsZero() {
		list = append(list, t.Last)
	}
	return list
}

// follow fills in what hangs on the winner. A session's row knows better than a token whose it is: it may have been erased.
func (q *inquiry) follow(ctx context.Context, a *attribution) error {
	a.Rules = q.winning(a.Winner).rules
	session, known := q.sessions[a.Winner.SessionID]
	a.Visitor, a.Sub1 = session.visitor, session.sub1
	switch {
	case known:
		return nil
	case a.Winner.Evidence == tracker.EvidenceToken:
		return q.reconstruct(ctx, a, q.evidence.Token.Visitor)
	case a.Winner.Evidence == tracker.EvidenceCookie:
		return q.reconstruct(ctx, a, q.evidence.Cookie.Visitor)
	case a.Winner.Evidence == tracker.EvidenceCustomer:
		a.Visitor = q.customer.visitor
	}
	return nil
}

// winning is the offer by which the winner earns.
func (q *inquiry) winning(w *tracker.Considered) *offer {
	switch {
	case w.LinkID != 0:
		return q.links[tracker.CodeKey(w.Code)]
	case w.Evidence == tracker.EvidenceCustomer:
		return q.customer.offer
	default:
		return q.coupon
	}
}

// reconstruct makes the winner's session again from the token of that visitor.
func (q *inquiry) reconstruct(ctx context.Context, a *attribution, visitor tracker.VisitorID) error {
	if !visitor.IsZero() {
		erased, err := erasedPeople.find(ctx, q.tx, q.network, []string{tracker.VisitorHash(q.network, visitor)})
		if err != nil {
			return err
		}
		if len(erased) == 0 {
			a.Visitor = visitor.String()
		}
	}
	_, err := q.tx.ExecContext(ctx, `INSERT INTO session (id, network, link_id, code, class, time, visitor_id, ip, user_agent,
		browser, os, device, host, route, query, referrer, param, sub_ids, click_ids, origin, seq, reconstructed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', '', '', '', '', '', '', '', '', '{}', '{}', '', 0, true)
		ON CONFLICT (id) DO NOTHING`, a.Winner.SessionID, q.network, a.Winner.LinkID, a.Winner.Code,
		string(tracker.ClassHuman), millis(*a.Winner.Time), a.Visitor)
	if err != nil {
		return fmt.Errorf("making a lost session again: %w", err)
	}
	return nil
}
