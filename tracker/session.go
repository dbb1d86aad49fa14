package tracker

import (
	"fmt"
	"strconv"
	"time"
)

// Session is one recorded referral click, as the edge captured it.
type Session struct {
	ID      SessionID
	Network string // tenant
	Code    string // the link's code, as the link spells it
	Time    time.Time
	Class   Class
	Visitor VisitorID // zero without consent

	IP        string // the client's address, as Caddy judged it
	UserAgent string // cut to 512 bytes, valid UTF-8, no NUL
	Host      string // the host that was asked
	Route     string // the path that was asked, bytes outside 0x21–0x7E as %XX
	Query     string // the raw query, likewise, in its own order
	Referrer  string // likewise
	Param     string // what named the code: a parameter's name, "path" or "subdomain"
	NoShare   bool   // the visitor does not want it to be shared: it is forwarded to nobody
}

// shareNo is the value of FieldShare for NoShare.
const shareNo = "no"

// AppendRecord appends the encoded record of the session to dst.
func (s *Session) AppendRecord(dst []byte) []byte {
	dst = append(dst, RecordVersion)
	dst = appendField(dst, FieldKind, string(KindClick))
	dst = append(dst, byte(FieldID), 36)
	dst, _ = s.ID.AppendText(dst)
	dst = appendField(dst, FieldNetwork, s.Network)
	dst = appendField(dst, FieldCode, s.Code)
	var ms [20]byte
	dst = appendField(dst, FieldTime, string(strconv.AppendInt(ms[:0], s.Time.UnixMilli(), 10)))
	dst = appendField(dst, FieldClass, string(s.Class))
	if !s.Visitor.IsZero() {
		dst = append(dst, byte(FieldVisitor), 32)
		dst, _ = s.Visitor.AppendText(dst)
	}
	dst = appendSet(dst, FieldIP, s.IP)
	dst = appendSet(dst, FieldUserAgent, s.UserAgent)
	dst = appendSet(dst, FieldHost, s.Host)
	dst = appendSet(dst, FieldRoute, s.Route)
	dst = appendSet(dst, FieldQuery, s.Query)
	dst = appendSet(dst, FieldReferrer, s.Referrer)
	dst = appendSet(dst, FieldParam, s.Param)
	if s.NoShare {
		dst = appendField(dst, FieldShare, shareNo)
	}
	return dst
}

// Session reads a record of kind click.
func (r Record) Session() (Session, error) {
	id, err := ParseSessionID(r.Get(FieldID))
	if err != nil {
		return Session{}, fmt.Errorf("%w: session id: %w", ErrRecord, err)
	}
	ms, err := strconv.ParseInt(r.Get(FieldTime), 10, 64)
	if err != nil {
		return Session{}, fmt.Errorf("%w: time is no number", ErrRecord)
	}
	s := Session{
		ID:        id,
		Network:   r.Get(FieldNetwork),
		Code:      r.Get(FieldCode),
		Time:      time.UnixMilli(ms).UTC(),
		Class:     Class(r.Get(FieldClass)),
		IP:        r.Get(FieldIP),
		UserAgent: r.Get(FieldUserAgent),
		Host:      r.Get(FieldHost),
		Route:     r.Get(FieldRoute),
		Query:     r.Get(FieldQuery),
		Referrer:  r.Get(FieldReferrer),
		Param:     r.Get(FieldParam),
		NoShare:   r.Get(FieldShare) == shareNo,
	}
	if v := r.Get(FieldVisitor); v != "" {
		if s.Visitor, err = ParseVisitorID(v); err != nil {
			return Session{}, fmt.Errorf("%w: visitor id: %w", ErrRecord, err)
		}
	}
	return s, nil
}
