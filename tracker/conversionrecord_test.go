package tracker

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func testConversion() NewConversion {
	at := time.UnixMilli(1772323200123).UTC()
	first := Touch{Session: NewSessionID(at.Add(-48 * time.Hour)), Code: "Demo", Time: at.Add(-48 * time.Hour)}
	last := Touch{Session: NewSessionID(at.Add(-time.Hour)), Code: "partner-2", Time: at.Add(-time.Hour)}
	return NewConversion{
		ID: NewSessionID(at).String(), Network: "default", Source: SourceHeader, ExternalID: "Order 12/345;ü", Type: TypeBuy,
		Amount: 9990, Currency: "EUR", Commissions: []Part{{Name: DefaultCommission, SubAmount: 9000}, {Name: "a=b&c ü%", SubAmount: 990}},
		Status: StatusApproved, Coupon: "SPRING", Name: "Jo Doe", MetaData: json.RawMessage(`{"a": [1]}`), OccurredAt: at, Actor: ActorEdge,
		Evidence: Evidence{
			CustomerExternalID: "c 1", CustomerBrand: "shop", Coupon: "SPRING", Consent: "given",
			Cookie: &Token{Network: "default", Visitor: VisitorID{1, 2, 3}, First: first, Last: last},
		},
	}
}

func checkConversionRoundTrip(t *testing.T, n NewConversion) {
	t.Helper()
	r, err := DecodeRecord(n.AppendRecord(nil))
	if err != nil || r.Kind() != KindConversion {
		t.Fatalf("%+v is a record of kind %q, %v", n, r.Kind(), err)
	}
	if back, err := r.Conversion(); err != nil || !reflect.DeepEqual(back, n) {
		t.Fatalf("%+v\ncame back as\n%+v, %v", n, back, err)
	}
}

// TestConversionRoundTrip takes conversions with every subset of what may be absent through the codec.
func TestConversionRoundTrip(t *testing.T) {
	checkConversionRoundTrip(t, testConversion())
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, random.IntN(300))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	for range 2000 {
		full, n := testConversion(), NewConversion{ID: NewSessionID(time.Now()).String(), Network: "acme.eu", Actor: ActorEdge}
		n.OccurredAt = time.UnixMilli(random.Int64N(1 << 50)).UTC()
		n.Amount = random.Int64() - random.Int64()
		for _, field := range []*string{&n.Source, &n.ExternalID, &n.Currency, &n.Coupon, &n.Name, (*string)(&n.Type), (*string)(&n.Status),
			&n.Evidence.CustomerExternalID, &n.Evidence.CustomerBrand, &n.Evidence.Consent} {
			if random.IntN(2) == 0 {
				*field = text()
			}
		}
		n.Evidence.Coupon = n.Coupon
		for range random.IntN(4) {
			n.Commissions = append(n.Commissions, Part{Name: text(), SubAmount: random.Int64() - random.Int64()})
		}
		if random.IntN(2) == 0 {
			n.MetaData = json.RawMessage(text() + "}")
		}
		cookie := *full.Evidence.Cookie
		cookie.Network = n.Network
		switch random.IntN(4) {
		case 0:
			n.Evidence.Cookie = &cookie
		case 1:
			cookie.First, cookie.Visitor = cookie.Last, VisitorID{}
			n.Evidence.Cookie = &cookie
		case 2:
			cookie.First, cookie.Last = Touch{}, Touch{}
			n.Evidence.Cookie = &cookie
		}
		checkConversionRoundTrip(t, n)
	}
}

func TestRecordsThatAreNoConversion(t *testing.T) {
	n := testConversion()
	good, err := DecodeRecord(n.AppendRecord(nil))
	if err != nil {
		t.Fatal(err)
	}
	session := n.Evidence.Cookie.Last.Session.String()
	for _, field := range []Field{
		{FieldID, "1"}, {FieldTime, "now"}, {FieldTime, ""}, {FieldAmount, "99.90"}, {FieldAmount, "9223372036854775808"}, {FieldAmount, "1e3"},
		{FieldCommissions, "default"}, {FieldCommissions, "default=9&"}, {FieldCommissions, "%zz=1"}, {FieldVisitor, "x"},
		{FieldLastTouch, session}, {FieldLastTouch, session + " demo now"}, {FieldLastTouch, session + " a:b 1"},
		{FieldLastTouch, "x demo 1"}, {FieldFirstTouch, session + " demo 1 1"}, {FieldLastTouch, ""},
	} {
		bad := Record{Version: good.Version, Fields: append([]Field{field}, good.Fields...)}
		n, err := bad.Conversion()
		if !errors.Is(err, ErrRecord) {
			t.Errorf("%s %q is read as %+v, %v", field.Name, field.Value, n, err)
		}
		if err != nil && len(field.Value) > 3 && strings.Contains(err.Error(), field.Value) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
	later := n.AppendRecord(nil)
	later[0] = RecordVersion + 1
	if r, err := DecodeRecord(later); !errors.Is(err, ErrRecord) {
		t.Errorf("a later version is read as %v, %v", r, err)
	}
}

// FuzzConversion reads conversions from whatever a disk or a relay holds. What can be read comes back as it was.
func FuzzConversion(f *testing.F) {
	n := testConversion()
	f.Add(n.AppendRecord(nil))
	f.Add((&NewConversion{ID: n.ID}).AppendRecord(nil))
	s := testSession()
	f.Add(s.AppendRecord(nil))
	f.Add([]byte{1, 3, 1, 'a', 30, 1, ' ', 27, 2, '&', '='})
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := DecodeRecord(payload)
		if err != nil {
			return
		}
		n, err := r.Conversion()
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("not an ErrRecord: %v", err)
			}
			return
		}
		checkConversionRoundTrip(t, n)
	})
}
