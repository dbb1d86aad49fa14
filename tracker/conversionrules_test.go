package tracker

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sale() NewConversion {
	return NewConversion{Network: "default", ExternalID: "12345", Type: TypeBuy, Amount: 9990, Currency: "EUR"}
}

func TestConversionDefaults(t *testing.T) {
	n := sale()
	n.Currency, n.Coupon = "eur", "SARA10"
	if err := n.Check(); err != nil {
		t.Fatal(err)
	}
	want := sale()
	want.Source, want.Status, want.Coupon = SourceAPI, StatusPending, "SARA10"
	want.Commissions = []Part{{Name: "default", SubAmount: 9990}}
	want.Evidence.Coupon = "SARA10"
	if !reflect.DeepEqual(n, want) {
		t.Errorf("%+v\nwant %+v", n, want)
	}
	if again := n; again.Check() != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("checked again it is %+v", again)
	}
	given := sale()
	given.Evidence.Coupon, given.Evidence.CustomerID = "TOM10", "019AA5C1-31F2-7C3A-9D5E-5F0C6A1B2C3D"
	given.Commissions = []Part{{"shoes", 9000, 5}, {"bags", 990, 5}, {"bags", 0, 0}}
	parts := given.Commissions
	if err := given.Check(); err != nil || given.Coupon != "TOM10" ||
		given.Evidence.CustomerID != "019aa5c1-31f2-7c3a-9d5e-5f0c6a1b2c3d" || given.Commissions[0].Wage != 0 {
		t.Errorf("%+v, %v", given, err)
	}
	if parts[0].Wage != 5 {
		t.Error("the parts that were given have changed")
	}
}

func TestConversionText(t *testing.T) {
	with := func(edit func(n *NewConversion, value string)) func(string) error {
		return func(value string) error {
			n := sale()
			edit(&n, value)
			return n.Check()
		}
	}
	checkText(t, "external_id", with(func(n *NewConversion, v string) { n.ExternalID = v }))
	checkText(t, "name", with(func(n *NewConversion, v string) { n.Name = v }))
	checkText(t, "coupon", with(func(n *NewConversion, v string) { n.Coupon = v }))
	checkText(t, "customer_external_id", with(func(n *NewConversion, v string) { n.Evidence.CustomerExternalID = v }))
	checkText(t, "customer_brand", with(func(n *NewConversion, v string) { n.Evidence.CustomerBrand = v }))
	checkText(t, "Idempotency-Key", with(func(n *NewConversion, v string) { n.IdempotencyKey = v }))
	checkText(t, "commissions[0].name", with(func(n *NewConversion, v string) { n.Commissions = []Part{{Name: v, SubAmount: 9990}} }))
}

func TestWrongConversions(t *testing.T) {
	tests := []struct {
		name string
		edit func(n *NewConversion)
		want string
	}{
		{"nothing", func(n *NewConversion) { *n = NewConversion{} }, "network external_id type currency"},
		{"an id that is none", func(n *NewConversion) { n.ID = "secret" }, "id"},
		{"a network that is none", func(n *NewConversion) { n.Network = "a b" }, "network"},
		{"a source that is none", func(n *NewConversion) { n.Source = "a b" }, "source"},
		{"a customer's id that is none", func(n *NewConversion) { n.Evidence.CustomerID = "secret" }, "customer_id"},
		{"a blank external id", func(n *NewConversion) { n.ExternalID = "  " }, "external_id"},
		{"an unknown type", func(n *NewConversion) { n.Type = "Buy" }, "type"},
		{"a negative amount", func(n *NewConversion) { n.Amount = -1 }, "amount"},
		{"more than the largest", func(n *NewConversion) { n.Amount = MaxAmount + 1 }, "amount"},
		{"2^53+1", func(n *NewConversion) { n.Amount = 1<<53 + 1 }, "amount"},
		{"an unknown currency", func(n *NewConversion) { n.Currency = "secret" }, "currency"},
		{"parts of more", func(n *NewConversion) { n.Commissions = []Part{{"a", 9990, 0}, {"b", 1, 0}} }, "commissions"},
		{"parts of less", func(n *NewConversion) { n.Commissions = []Part{{"a", 9989, 0}} }, "commissions"},
		{"a negative part", func(n *NewConversion) { n.Commissions = []Part{{"a", 9991, 0}, {"b", -1, 0}} }, "commissions[1].sub_amount"},
		{"parts that overflow to the amount", func(n *NewConversion) {
			n.Commissions = []Part{{"a", 1<<63 - 1, 0}, {"b", 1<<63 - 1, 0}, {"c", 9992, 0}}
		}, "commissions[0].sub_amount commissions[1].sub_amount"},
		{"a part without a name", func(n *NewConversion) { n.Commissions = []Part{{"", 9990, 0}} }, "commissions[0].name"},
		{"a part's name of 65", func(n *NewConversion) { n.Commissions = []Part{{strings.Repeat("x", 65), 9990, 0}} }, "commissions[0].name"},
		{"too many parts", func(n *NewConversion) { n.Commissions = make([]Part, MaxParts+1) }, "commissions"},
		{"rejected from the start", func(n *NewConversion) { n.Status = StatusRejected }, "status"},
		{"duplicated from the start", func(n *NewConversion) { n.Status = StatusDuplicated }, "status"},
		{"the year 12000", func(n *NewConversion) { n.OccurredAt = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) }, "occurred_at"},
		{"an unknown policy", func(n *NewConversion) { n.Duplicates = "secret" }, "duplicates"},
		{"an unknown consent", func(n *NewConversion) { n.Evidence.Consent = "secret" }, "consent"},
		{"an array", func(n *NewConversion) { n.MetaData = json.RawMessage(`["secret"]`) }, "meta_data"},
		{"a string", func(n *NewConversion) { n.MetaData = json.RawMessage(`"secret"`) }, "meta_data"},
		{"two objects", func(n *NewConversion) { n.MetaData = json.RawMessage(`{}{}`) }, "meta_data"},
		{"half an object", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"a":`) }, "meta_data"},
		{"a trailing comma", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"a":1,}`) }, "meta_data"},
		{"an object that is not UTF-8", func(n *NewConversion) { n.MetaData = json.RawMessage("{\"a\":\"\xff\"}") }, "meta_data"},
		{"too much", func(n *NewConversion) {
			n.MetaData = json.RawMessage(`{"a":"` + strings.Repeat("x", MaxMetaData) + `"}`)
		}, "meta_data"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := sale()
			test.edit(&n)
			err := n.Check()
			if got := paths(err); got != test.want {
				t.Errorf("wrong are %s (%v), want %s", got, err, test.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats a value: %v", err)
			}
		})
	}
}

func TestRightConversions(t *testing.T) {
	tests := []struct {
		name string
		edit func(n *NewConversion)
	}{
		{"nothing is paid", func(n *NewConversion) { n.Amount = 0 }},
		{"the largest", func(n *NewConversion) { n.Amount = MaxAmount }},
		{"approved", func(n *NewConversion) { n.Status = StatusApproved }},
		{"a lead", func(n *NewConversion) { n.Type, n.Amount, n.Name = TypeLead, 0, "newsletter" }},
		{"any coupon that a buyer may type", func(n *NewConversion) { n.Coupon = "SAVE 10% <now>!" }},
		{"another source", func(n *NewConversion) { n.Source = SourceHeader }},
		{"an id", func(n *NewConversion) { n.ID = NewSessionID(testTime).String() }},
		{"many parts", func(n *NewConversion) {
			n.Amount = MaxParts
			for range MaxParts {
				n.Commissions = append(n.Commissions, Part{Name: "same", SubAmount: 1})
			}
		}},
		{"deep meta data", func(n *NewConversion) {
			n.MetaData = json.RawMessage(`{"a":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}`)
		}},
	}
	for _, test := range tests {
		n := sale()
		test.edit(&n)
		if err := n.Check(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if len(n.ContentHash()) != 64 {
			t.Errorf("%s: the hash is %s", test.name, n.ContentHash())
		}
	}
}

func TestMetaDataIsKept(t *testing.T) {
	for given, want := range map[string]string{
		"": "", "null": "", " null\n": "", "{}": "", " { } ": "",
		` {"b" : 1.50, "a": [ "x y" ] } `: `{"b":1.50,"a":["x y"]}`,
		`{"a":"\u0000","n":1e400}`:        `{"a":"\u0000","n":1e400}`,
	} {
		n := sale()
		n.MetaData = json.RawMessage(given)
		if err := n.Check(); err != nil || string(n.MetaData) != want {
			t.Errorf("%q is kept as %q, %v; want %q", given, n.MetaData, err, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestConversionUpdateCheck(t *testing.T) {
	tests := []struct {
		name string
		u    ConversionUpdate
		want string
	}{
		{"nothing", ConversionUpdate{}, "<nil>"},
		{"approved", ConversionUpdate{Status: ptr(StatusApproved)}, "<nil>"},
		{"rejected with a note", ConversionUpdate{Status: ptr(StatusRejected), Note: "sent\nback"}, "<nil>"},
		{"pending again", ConversionUpdate{Status: ptr(StatusPending)}, "<nil>"},
		{"paid", ConversionUpdate{Paid: ptr(true)}, "<nil>"},
		{"an amount", ConversionUpdate{Amount: ptr(int64(10))}, "<nil>"},
		{"an amount with parts", ConversionUpdate{Amount: ptr(int64(10)), Commissions: []Part{{"a", 4, 0}, {"b", 6, 0}}}, "<nil>"},
		{"parts alone", ConversionUpdate{Commissions: []Part{{"a", 4, 0}}}, "<nil>"},
		{"duplicated", ConversionUpdate{Status: ptr(StatusDuplicated)}, "status"},
		{"unpaid", ConversionUpdate{Paid: ptr(false)}, "paid"},
		{"a negative amount", ConversionUpdate{Amount: ptr(int64(-1))}, "amount"},
		{"too large an amount", ConversionUpdate{Amount: ptr(int64(MaxAmount + 1))}, "amount"},
		{"parts of another amount", ConversionUpdate{Amount: ptr(int64(10)), Commissions: []Part{{"a", 4, 0}}}, "commissions"},
		{"a part without a name", ConversionUpdate{Commissions: []Part{{"", 4, 0}}}, "commissions[0].name"},
		{"a long note", ConversionUpdate{Note: strings.Repeat("x", MaxNote+1)}, "note"},
	}
	for _, test := range tests {
		if err := test.u.Check(); paths(err) != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

func refund() NewRefund {
	return NewRefund{Network: "default", ExternalID: "r1", ConversionType: TypeBuy, ConversionExternalID: "12345", Amount: 100, Currency: "eur"}
}

func TestRefundCheck(t *testing.T) {
	n := refund()
	if err := n.Check(); err != nil || n.Source != SourceAPI || n.Currency != "EUR" {
		t.Errorf("%+v, %v", n, err)
	}
	checkText(t, "external_id", func(v string) error { n := refund(); n.ExternalID = v; return n.Check() })
	for _, source := range Sources {
		n := refund()
		if n.Source = source; n.Check() != nil || n.Source != source {
			t.Errorf("of the source %s: %v", source, n.Check())
		}
	}
	checkText(t, "conversion_external_id", func(v string) error { n := refund(); n.ConversionExternalID = v; return n.Check() })
	tests := []struct {
		name string
		edit func(n *NewRefund)
		want string
	}{
		{"nothing", func(n *NewRefund) { *n = NewRefund{} }, "network external_id conversion_type conversion_external_id amount currency"},
		{"nothing back", func(n *NewRefund) { n.Amount = 0 }, "amount"},
		{"less than nothing", func(n *NewRefund) { n.Amount = -1 }, "amount"},
		{"more than the largest", func(n *NewRefund) { n.Amount = MaxAmount + 1 }, "amount"},
		{"an unknown type", func(n *NewRefund) { n.ConversionType = "x" }, "conversion_type"},
		{"an unknown source", func(n *NewRefund) { n.Source = "edge" }, "source"},
		{"a broken note", func(n *NewRefund) { n.Note = "\x00" }, "note"},
	}
	for _, test := range tests {
		n := refund()
		test.edit(&n)
		if err := n.Check(); paths(err) != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

func FuzzMetaData(f *testing.F) {
	for _, data := range []string{"", "null", "{}", `{"a":[null,true,1.50,"é<"],"b":{}}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1e2000000000}`, `{}{}`, `["a"]`, `{"a":1,"a":2}`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := sale()
		n.MetaData = data
		if n.Check() != nil {
			return
		}
		given := n
		given.MetaData = data
		if n.MetaData != nil && (!json.Valid(n.MetaData) || n.MetaData[0] != '{' || len(n.MetaData) > len(data)) {
			t.Errorf("%q is kept as %q", data, n.MetaData)
		}
		if n.MetaData != nil && n.ContentHash() != given.ContentHash() {
			t.Errorf("%q and %q have different hashes", data, n.MetaData)
		}
		again := n
		if err := again.Check(); err != nil || string(again.MetaData) != string(n.MetaData) {
			t.Errorf("%q is kept as %q the second time, %v", n.MetaData, again.MetaData, err)
		}
	})
}
