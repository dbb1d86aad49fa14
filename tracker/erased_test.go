package tracker

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEraseRecord(t *testing.T) {
	now := time.UnixMilli(1764000000000).UTC()
	visitor := NewVisitorID()
	touch := Touch{Session: NewSessionID(now), Code: "demo", Time: now}
	click := Session{
		ID: touch.Session, Network: "acme", Code: "demo", Time: now, Class: ClassHuman, Visitor: visitor, IP: "203.0.113.77",
		UserAgent: strings.Repeat("planted agent ", 20), Host: "shop.test", Route: "/land", Query: "via=demo&planted=1",
		Referrer: "https://planted.test/", Param: "via", NoShare: true,
	}
	sale := NewConversion{
		ID: NewSessionID(now).String(), Network: "acme", Source: SourceHeader, ExternalID: "12345", Type: TypeLead, Amount: 990,
		Currency: "EUR", Status: StatusPending, Coupon: "SPRING", Name: "planted name", MetaData: []byte(`{"who":"planted"}`),
		OccurredAt: now, Actor: ActorEdge, Commissions: []Part{{Name: "a commission", SubAmount: 990}},
		Evidence: Evidence{
			Cookie: &Token{Network: "acme", Visitor: visitor, First: touch, Last: touch}, Coupon: "SPRING",
			CustomerExternalID: "planted customer", CustomerBrand: "planted brand", Consent: ConsentGiven,
		},
	}

	record := click.AppendRecord(nil)
	size := len(record)
	if !EraseRecord(record) || len(record) != size {
		t.Fatalf("a click of %d bytes became %d", size, len(record))
	}
	want := click
	want.Visitor, want.IP, want.UserAgent, want.Query, want.Referrer = VisitorID{}, "", "", "", ""
	decoded, err := DecodeRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decoded.Session(); err != nil || got != want {
		t.Errorf("of the click is left %+v, %v", got, err)
	}
	if again := decoded.Append(nil); !bytes.Equal(again, record) {
		t.Error("a hub would not get the same bytes again")
	}

	sold := sale.AppendRecord(nil)
	whole, err := DecodeRecord(sold)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := whole.Conversion(); err != nil || got.Erased {
		t.Errorf("before it is erased there is %+v, %v", got, err)
	}
	network, hashes, err := ErasedHashes("ledger", sold)
	known := []string{VisitorHash("acme", visitor), CustomerHash("ledger", "acme", "planted customer", "planted brand")}
	if err != nil || network != "acme" || !slices.Equal(hashes, known) {
		t.Errorf("the person of %s is known by %q, %v", network, hashes, err)
	}
	if !EraseRecord(sold) {
		t.Fatal("nothing of the conversion was erased")
	}
	decoded, err = DecodeRecord(sold)
	if err != nil {
		t.Fatal(err)
	}
	left, err := decoded.Conversion()
	if err != nil || !left.Erased || left.Evidence.Cookie == nil || left.Evidence.Cookie.Last != touch || left.ExternalID != "12345" || left.Amount != 990 {
		t.Errorf("of the conversion is left %+v, %v", left, err)
	}
	for _, b := range [][]byte{record, sold} {
		if bytes.Contains(b, []byte("planted")) || bytes.Contains(b, []byte(visitor.String())) || bytes.Contains(b, []byte("203.0")) {
			t.Errorf("the person is still in %q", b)
		}
		if EraseRecord(b) {
			t.Error("there was something to erase a second time")
		}
	}
}

func TestVisitorHash(t *testing.T) {
	a, b := NewVisitorID(), NewVisitorID()
	if h := VisitorHash("default", a); len(h) != 64 || h != VisitorHash("default", a) || h == VisitorHash("acme", a) || h == VisitorHash("default", b) {
		t.Errorf("hash %s", h)
	}
}

func TestCustomerHash(t *testing.T) {
	hash := CustomerHash("ledger", "acme", "42", "shoes")
	if len(hash) != 64 || hash != CustomerHash("ledger", "acme", "42", "shoes") {
		t.Errorf("hash %s", hash)
	}
	for _, other := range []string{
		CustomerHash("other", "acme", "42", "shoes"), CustomerHash("ledger", "acm", "e42", "shoes"), CustomerHash("ledger", "acme", "42", ""),
		CustomerHash("ledger", "acme", "4", "2shoes"), CustomerHash("ledger", "acme", "shoes", "42"),
	} {
		if other == hash {
			t.Error("two customers have one hash")
		}
	}
}

func TestErasedHashesOfNobody(t *testing.T) {
	s := Session{Network: "default", Code: "demo", IP: "203.0.113.77"}
	if network, hashes, err := ErasedHashes("ledger", s.AppendRecord(nil)); err != nil || network != "default" || len(hashes) > 0 {
		t.Errorf("of %s there is %q, %v", network, hashes, err)
	}
	if _, _, err := ErasedHashes("ledger", []byte{RecordVersion, 1, 200}); !errors.Is(err, ErrRecord) {
		t.Errorf("of what is no record there is %v", err)
	}
}

func FuzzEraseRecord(f *testing.F) {
	s := Session{Network: "default", Code: "demo", IP: "203.0.113.77", UserAgent: strings.Repeat("x", 300)}
	f.Add(s.AppendRecord(nil))
	f.Add([]byte{RecordVersion, byte(FieldIP), 200})
	f.Add([]byte{RecordVersion, byte(FieldIP), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{2, byte(FieldIP), 1, 'x'})
	f.Fuzz(func(t *testing.T, payload []byte) {
		before, err := DecodeRecord(payload)
		erased := EraseRecord(payload)
		if err != nil {
			return
		}
		after, err := DecodeRecord(payload)
		if err != nil || len(after.Fields) != len(before.Fields) {
			t.Fatalf("%d fields became %d, %v", len(before.Fields), len(after.Fields), err)
		}
		changed := false
		for i, field := range after.Fields {
			if tellsOfVisitor[field.Name] {
				t.Errorf("field %s is left", field.Name)
			}
			changed = changed || field != before.Fields[i]
		}
		if erased != changed {
			t.Errorf("erased: %v, changed: %v", erased, changed)
		}
	})
}
