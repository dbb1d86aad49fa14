package tracker

import (
	"errors"
	"testing"
	"time"
)

func testSession() Session {
	return Session{
		ID: SessionID{1, 0x98, 0xc1, 0xd2, 6: 0x70, 8: 0x80, 15: 0xff}, Network: "default", Code: "demo",
		Time: time.UnixMilli(1772323200123).UTC(), Class: ClassHuman, Visitor: VisitorID{1, 2, 3},
		IP: "2001:db8::1", UserAgent: chromeUA, Host: "shop.com:8443", Route: "/caf%C3%A9", Query: "via=demo&sub1=a;b", Referrer: "https://blog.example/", Param: "via",
	}
}

func checkSessionRoundTrip(t *testing.T, s Session) {
	t.Helper()
	r, err := DecodeRecord(s.AppendRecord(nil))
	if err != nil || r.Kind() != KindClick {
		t.Fatalf("%+v is a record of kind %q, %v", s, r.Kind(), err)
	}
	if back, err := r.Session(); err != nil || back != s {
		t.Fatalf("%+v came back as %+v, %v", s, back, err)
	}
}

func TestSessionRoundTrip(t *testing.T) {
	checkSessionRoundTrip(t, testSession())
	checkSessionRoundTrip(t, Session{ID: SessionID{1}, Time: time.UnixMilli(-1).UTC()})
	for _, class := range Classes {
		s := testSession()
		s.Class, s.Visitor, s.IP, s.UserAgent = class, VisitorID{}, "", ""
		checkSessionRoundTrip(t, s)
	}
}

func TestAbsentValuesTakeNoBytes(t *testing.T) {
	s := Session{ID: SessionID{1}, Network: "default", Code: "demo", Class: ClassNoConsent, Time: time.UnixMilli(1772323200123)}
	r, err := DecodeRecord(s.AppendRecord(nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Fields) != 6 { // kind, id, network, code, time, class
		t.Errorf("%d fields: %v", len(r.Fields), r.Fields)
	}
}

func TestRecordsThatAreNoSession(t *testing.T) {
	s := testSession()
	good, err := DecodeRecord(s.AppendRecord(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[FieldName]string{FieldID: "1", FieldTime: "now", FieldVisitor: "x"} {
		bad := Record{Version: good.Version, Fields: append([]Field{{name, value}}, good.Fields...)}
		if s, err := bad.Session(); !errors.Is(err, ErrRecord) {
			t.Errorf("%s %q is read as %+v, %v", name, value, s, err)
		}
	}
}

func TestAppendRecordDoesNotAllocate(t *testing.T) {
	s := testSession()
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { s.AppendRecord(buf) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	s := testSession()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		s.AppendRecord(buf)
	}
}
