package tracker

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

const (
	secretA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	secretB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func newTestSealer(t testing.TB, secrets ...string) *Sealer {
	t.Helper()
	s, err := NewSealer(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s *Sealer, token Token) string {
	t.Helper()
	text, err := s.Seal(token)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func testToken() Token {
	return Token{Network: "default", Visitor: VisitorID{1, 15: 2}, First: touchAt("demo", 0), Last: touchAt("Anna_B-1", 3), Flags: 0xa5}
}

func TestNewSealerRefuses(t *testing.T) {
	for _, secrets := range [][]string{nil, {}, {""}, {"  \n"}, {secretA, ""}, {"planted-short-secret"}, {secretA[1:]}, {" " + secretA[1:] + " "}} {
		s, err := NewSealer(secrets)
		if !errors.Is(err, ErrSecret) || s != nil {
			t.Errorf("%q: %v", secrets, err)
		}
		for _, secret := range secrets {
			if strings.TrimSpace(secret) != "" && err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the secret: %v", err)
			}
		}
	}
	if _, err := NewSealer([]string{strings.Repeat("é", MinSecret)}); err != nil {
		t.Errorf("32 characters: %v", err)
	}
}

func TestSealAndOpen(t *testing.T) {
	s := newTestSealer(t, secretA)
	longest := Touch{Session: SessionID{7}, Code: strings.Repeat("x", 64), Time: testTime}
	later := longest
	later.Time = testTime.Add(time.Hour)
	tokens := map[string]Token{
		"two touches": testToken(),
		"one touch":   {Network: "default", Visitor: VisitorID{1}, First: longest, Last: longest},
		"no touch":    {Network: "shop é", Visitor: VisitorID{1}},
		"no visitor":  {Network: "", First: longest, Last: longest},
		"the longest": {Network: strings.Repeat("n", 200), Visitor: VisitorID{1}, First: longest, Last: later, Flags: 255},
	}
	for name, token := range tokens {
		text := mustSeal(t, s, token)
		if got, err := s.Open(token.Network, text); err != nil || got != token {
			t.Errorf("%s: %+v came back as %+v, %v", name, token, got, err)
		}
		if len(text) > 326 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			t.Errorf("%s: %d bytes, %s", name, len(text), text)
		}
		if text == mustSeal(t, s, token) {
			t.Errorf("%s: two seals are equal", name)
		}
	}
	bad := testToken()
	bad.Last.Code = strings.Repeat("x", 65)
	if text, err := s.Seal(bad); !errors.Is(err, ErrCode) {
		t.Errorf("a code of 65 characters is sealed as %q, %v", text, err)
	}
}

func TestTimesAreKeptToTheMillisecond(t *testing.T) {
	s := newTestSealer(t, secretA)
	now := time.Now() // with a monotonic reading and a zone
	touch := Touch{Session: SessionID{1}, Code: "demo", Time: now}
	got, err := s.Open("default", mustSeal(t, s, Token{Network: "default", First: touch, Last: touch}))
	if err != nil || got.First != got.Last || got.Last.Time != now.UTC().Truncate(time.Millisecond) {
		t.Errorf("%s came back as %+v, %v", now, got.Last, err)
	}
}

func TestSecretRotation(t *testing.T) {
	older, newer := newTestSealer(t, secretA), newTestSealer(t, secretB, secretA+"\n")
	token := testToken()
	if _, err := newer.Open("default", mustSeal(t, older, token)); err != nil {
		t.Errorf("an old secret does not open: %v", err)
	}
	if _, err := older.Open("default", mustSeal(t, newer, token)); err != ErrToken {
		t.Errorf("a secret that is not known opens: %v", err)
	}
	if _, err := newTestSealer(t, secretB).Open("default", mustSeal(t, newer, token)); err != nil {
		t.Errorf("the first secret does not seal: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	s := newTestSealer(t, secretA)
	text := mustSeal(t, s, testToken())
	head, body := text[:strings.LastIndex(text, ".")+1], text[strings.LastIndex(text, ".")+1:]
	handoff, err := s.SealHandoff("default", VisitorID{1}, touchAt("demo", 0), testTime)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"nothing":            "",
		"another version":    "v2" + text[2:],
		"no version":         text[3:],
		"no key id":          "v1." + body,
		"an empty body":      head,
		"padding":            text + "=",
		"a newline":          head + body[:8] + "\n" + body[8:],
		"a carriage return":  text + "\r",
		"a space":            " " + text,
		"a byte more":        text + "A",
		"a byte less":        text[:len(text)-1],
		"only a nonce":       head + body[:32],
		"half a nonce":       head + body[:16],
		"twice":              text + "." + body,
		"too long":           head + strings.Repeat("A", MaxToken),
		"megabytes":          strings.Repeat("v1.", 1<<20),
		"another purpose":    handoff,
		"another key's name": "v1.AAAAAAAA." + body,
	}
	for name, token := range tests {
		if got, err := s.Open("default", token); err != ErrToken || got != (Token{}) {
			t.Errorf("%s: opened as %+v, %v", name, got, err)
		}
	}
	for _, network := range []string{"", "defaul", "default2", "Default"} {
		if _, err := s.Open(network, text); err != ErrToken {
			t.Errorf("network %q opens it: %v", network, err)
		}
	}
}

// TestContentThatIsNoToken seals what no Seal makes, so that only the reading of the content is between it and a Token.
func TestContentThatIsNoToken(t *testing.T) {
	s := newTestSealer(t, secretA)
	visitor := make([]byte, 17)
	touch := appendTouch(nil, touchAt("demo", 0))
	for name, content := range map[string][]byte{
		"nothing":         {},
		"half a visitor":  visitor[:9],
		"half a touch":    append(visitor[:17:17], touch[:20]...),
		"half a code":     append(visitor[:17:17], touch[:len(touch)-1]...),
		"half a second":   append(append(visitor[:17:17], touch...), touch[:24]...),
		"a third touch":   append(append(append(visitor[:17:17], touch...), touch...), touch...),
		"a byte too much": append(append(append(visitor[:17:17], touch...), touch...), 0),
	} {
		if got, err := s.Open("default", s.seal(purposeVisitor, "default", content)); err != ErrToken {
			t.Errorf("%s: opened as %+v, %v", name, got, err)
		}
		if id, touch, err := s.OpenHandoff("default", s.seal(purposeHandoff, "default", content), testTime); err != ErrToken {
			t.Errorf("%s: opened as %s %+v, %v", name, id, touch, err)
		}
	}
}

// TestPurposes seals what would be good content for the other purpose.
func TestPurposes(t *testing.T) {
	s := newTestSealer(t, secretA)
	touch := appendTouch(nil, touchAt("demo", 0))
	visitor := append(make([]byte, 17), touch...)
	handoff := append(binary.BigEndian.AppendUint64(nil, uint64(testTime.UnixMilli())), append(make([]byte, 16), touch...)...)
	if _, err := s.Open("default", s.seal(purposeVisitor, "default", visitor)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.OpenHandoff("default", s.seal(purposeHandoff, "default", handoff), testTime); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open("default", s.seal(purposeHandoff, "default", visitor)); err != ErrToken {
		t.Errorf("sealed for a handoff, opened as a token: %v", err)
	}
	if _, _, err := s.OpenHandoff("default", s.seal(purposeVisitor, "default", handoff), testTime); err != ErrToken {
		t.Errorf("sealed as a token, opened for a handoff: %v", err)
	}
}

func TestOversizedTokensAreNotDecoded(t *testing.T) {
	s := newTestSealer(t, secretA)
	text := mustSeal(t, s, testToken())
	head := text[:strings.LastIndex(text, ".")+1]
	oversized := head + strings.Repeat("A", 16<<10)
	if n := testing.AllocsPerRun(100, func() { s.Open("default", oversized) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNoFlippedBitIsAccepted(t *testing.T) {
	s := newTestSealer(t, secretA, secretB)
	accepted := 0
	for i := range 1000 {
		token := testToken()
		token.Visitor, token.Last = NewVisitorID(), touchAt("demo", i)
		text := []byte(mustSeal(t, s, token))
		for bit := range len(text) * 8 {
			text[bit/8] ^= 1 << (bit % 8)
			if _, err := s.Open("default", string(text)); err == nil {
				accepted++
			}
			text[bit/8] ^= 1 << (bit % 8)
		}
		if _, err := s.Open("default", string(text)); err != nil {
			t.Fatalf("the token itself does not open: %v", err)
		}
	}
	if accepted > 0 {
		t.Errorf("%d altered tokens were accepted", accepted)
	}
}

func TestHandoff(t *testing.T) {
	s := newTestSealer(t, secretA)
	visitor, touch := VisitorID{1, 2, 3}, touchAt("demo", -1)
	text, err := s.SealHandoff("default", visitor, touch, testTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		network string
		after   time.Duration
		want    error
	}{
		{"default", 0, nil}, {"default", MaxHandoffAge, nil}, {"default", -time.Minute, nil},
		{"default", MaxHandoffAge + time.Millisecond, ErrToken}, {"default", -time.Hour, ErrToken}, {"other", 0, ErrToken},
	} {
		id, got, err := s.OpenHandoff(test.network, text, testTime.Add(test.after))
		if err != test.want || err == nil && (id != visitor || got != touch) {
			t.Errorf("network %s after %s: %s, %+v, %v", test.network, test.after, id, got, err)
		}
	}
	if _, _, err := s.OpenHandoff("default", mustSeal(t, s, testToken()), testTime); err != ErrToken {
		t.Errorf("a visitor's token is taken for a handoff: %v", err)
	}
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		t.Errorf("%q needs escaping in a URL", text)
	}
}

func FuzzOpen(f *testing.F) {
	s := newTestSealer(f, secretA)
	f.Add("default", mustSeal(f, s, testToken()))
	f.Add("default", "v1.AAAAAAAA.AAAA")
	f.Add("", "v1..")
	f.Fuzz(func(t *testing.T, network, text string) {
		token, err := s.Open(network, text)
		if err != nil {
			if err != ErrToken || token != (Token{}) {
				t.Fatalf("%+v, %v", token, err)
			}
			return
		}
		if again, err := s.Open(network, mustSeal(t, s, token)); err != nil || again != token {
			t.Fatalf("%+v came back as %+v, %v", token, again, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	s, token := newTestSealer(b, secretA), testToken()
	b.ReportAllocs()
	for b.Loop() {
		mustSeal(b, s, token)
	}
}

func BenchmarkOpen(b *testing.B) {
	s := newTestSealer(b, secretA)
	text := mustSeal(b, s, testToken())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open("default", text); err != nil {
			b.Fatal(err)
		}
	}
}
