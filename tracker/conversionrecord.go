package tracker

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ActorEdge is the actor of conversions that came by the edge.
const ActorEdge = "edge"

// AppendRecord appends the encoded record of a conversion that came by the edge to dst. Of the evidence it carries the
// visitor's cookie, the customer, the coupon and the consent: an edge knows nothing else.
func (n *NewConversion) AppendRecord(dst []byte) []byte {
	var digits [20]byte
	dst = append(dst, RecordVersion)
	dst = appendField(dst, FieldKind, string(KindConversion))
	dst = appendField(dst, FieldID, n.ID)
	dst = appendField(dst, FieldNetwork, n.Network)
	dst = appendField(dst, FieldTime, string(strconv.AppendInt(digits[:0], n.OccurredAt.UnixMilli(), 10)))
	dst = appendField(dst, FieldSource, n.Source)
	dst = appendField(dst, FieldType, string(n.Type))
	dst = appendField(dst, FieldExternalID, n.ExternalID)
	dst = appendField(dst, FieldAmount, string(strconv.AppendInt(digits[:0], n.Amount, 10)))
	dst = appendSet(dst, FieldCurrency, n.Currency)
	dst = appendSet(dst, FieldStatus, string(n.Status))
	dst = appendSet(dst, FieldCoupon, n.Coupon)
	dst = appendSet(dst, FieldCustomer, n.Evidence.CustomerExternalID)
	dst = appendSet(dst, FieldCustomerBrand, n.Evidence.CustomerBrand)
	dst = appendSet(dst, FieldLeadName, n.Name)
	dst = appendSet(dst, FieldCommissions, partsText(n.Commissions))
	dst = appendSet(dst, FieldMetaData, string(n.MetaData))
	dst = appendCookie(dst, n.Evidence.Cookie)
	return appendSet(dst, FieldConsent, n.Evidence.Consent)
}

func appendCookie(dst []byte, token *Token) []byte {
	if token == nil {
		return dst
	}
	if !token.Visitor.IsZero() {
		dst = appendField(dst, FieldVisitor, token.Visitor.String())
	}
	touches := token.touches()
	for i, touch := range touches {
		name := FieldLastTouch
		if i < len(touches)-1 {
			name = FieldFirstTouch
		}
		dst = appendField(dst, name, touchText(touch))
	}
	return dst
}

// touchText is a touch as a record spells it: session, code and Unix milliseconds, with spaces between.
func touchText(t Touch) string {
	return t.Session.String() + " " + t.Code + " " + strconv.FormatInt(t.Time.UnixMilli(), 10)
}

// partsText spells parts as name=sub-amount with & between, names as in a query. Wages are the books' to reckon.
func partsText(parts []Part) string {
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(part.Name) + "=" + strconv.FormatInt(part.SubAmount, 10))
	}
	return b.String()
}

// Conversion reads a record of kind conversion. It returns ErrRecord for what is none; whether the values make a conversion
// is for NewConversion.Check to say.
func (r Record) Conversion() (NewConversion, error) {
	id, err := ParseSessionID(r.Get(FieldID))
	if err != nil {
		return NewConversion{}, fmt.Errorf("%w: conversion id: %w", ErrRecord, err)
	}
	at, err := r.number(FieldTime)
	if err != nil {
		return NewConversion{}, err
	}
	amount, err := r.number(FieldAmount)
	if err != nil {
		return NewConversion{}, err
	}
	parts, err := parseParts(r.Get(FieldCommissions))
	if err != nil {
		return NewConversion{}, err
	}
	cookie, err := r.cookie()
	if err != nil {
		return NewConversion{}, err
	}
	n := NewConversion{
		ID:          id.String(),
		Network:     r.Get(FieldNetwork),
		Source:      r.Get(FieldSource),
		ExternalID:  r.Get(FieldExternalID),
		Type:        ConversionType(r.Get(FieldType)),
		Amount:      amount,
		Currency:    r.Get(FieldCurrency),
		Commissions: parts,
		Status:      ConversionStatus(r.Get(FieldStatus)),
		Coupon:      r.Get(FieldCoupon),
		Name:        r.Get(FieldLeadName),
		OccurredAt:  time.UnixMilli(at).UTC(),
		Actor:       ActorEdge,
		Erased:      slices.ContainsFunc(r.Fields, func(f Field) bool { return f.Name == FieldErased }),
		Evidence: Evidence{
			CustomerExternalID: r.Get(FieldCustomer),
			CustomerBrand:      r.Get(FieldCustomerBrand),
			Coupon:             r.Get(FieldCoupon),
			Cookie:             cookie,
			Consent:            r.Get(FieldConsent),
		},
	}
	if meta := r.Get(FieldMetaData); meta != "" {
		n.MetaData = json.RawMessage(meta)
	}
	return n, nil
}

// number reads a field that is a decimal number.
func (r Record) number(name FieldName) (int64, error) {
	value, err := strconv.ParseInt(r.Get(name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is no number", ErrRecord, name)
	}
	return value, nil
}

// cookie reads what appendCookie wrote; nil if the visitor had no token.
func (r Record) cookie() (*Token, error) {
	visitor, first, last := r.Get(FieldVisitor), r.Get(FieldFirstTouch), r.Get(FieldLastTouch)
	if visitor == "" && first == "" && last == "" {
		return nil, nil
	}
	if last == "" && first != "" {
		return nil, fmt.Errorf("%w: a first touch without a last", ErrRecord)
	}
	token := &Token{Network: r.Get(FieldNetwork)}
	var err error
	if visitor != "" {
		if token.Visitor, err = ParseVisitorID(visitor); err != nil {
			return nil, fmt.Errorf("%w: visitor id: %w", ErrRecord, err)
		}
	}
	if last != "" {
		if token.Last, err = parseTouch(last); err != nil {
			return nil, err
		}
	}
	token.First = token.Last
	if first != "" {
		if token.First, err = parseTouch(first); err != nil {
			return nil, err
		}
	}
	return token, nil
}

func parseTouch(s string) (Touch, error) {
	words := strings.Split(s, " ")
	if len(words) != 3 {
		return Touch{}, fmt.Errorf("%w: a touch is a session, a code and a time", ErrRecord)
	}
	session, err := ParseSessionID(words[0])
	if err != nil {
		return Touch{}, fmt.Errorf("%w: session id of a touch: %w", ErrRecord, err)
	}
	if CheckCode(words[1]) != nil {
		return Touch{}, fmt.Errorf("%w: code of a touch", ErrRecord)
	}
	ms, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return Touch{}, fmt.Errorf("%w: time of a touch is no number", ErrRecord)
	}
	return Touch{Session: session, Code: words[1], Time: time.UnixMilli(ms).UTC()}, nil
}

func parseParts(s string) ([]Part, error) {
	if s == "" {
		return nil, nil
	}
	var parts []Part
	for text := range strings.SplitSeq(s, "&") {
		name, sub, _ := strings.Cut(text, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, fmt.Errorf("%w: name of a commission", ErrRecord)
		}
		amount, err := strconv.ParseInt(sub, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: sub-amount of a commission is no number", ErrRecord)
		}
		parts = append(parts, Part{Name: name, SubAmount: amount})
	}
	return parts, nil
}
