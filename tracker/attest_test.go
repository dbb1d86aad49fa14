package tracker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

func TestAttestHeader(t *testing.T) {
	key := []byte("a key of its own")
	touch := touchAt("demo", 0)
	tests := []struct{ affiliate, want string }{
		{"Demo Partner", `"Demo Partner"`},
		{"", `""`},
		{`a "b" \c`, `"a \"b\" \\c"`},
		{"Café 100%\r\nSet-Cookie: x=1\x00", `"Caf%C3%A9 100%25%0D%0ASet-Cookie: x=1%00"`},
		{`x";code="other`, `"x\";code=\"other"`},
	}
	for _, test := range tests {
		got := AttestHeader(key, touch, test.affiliate)
		signed, signature, ok := strings.Cut(got, ";sig=")
		if want := `"` + touch.Session.String() + `";code="demo";affiliate=` + test.want + ";t=1772366400"; !ok || signed != want {
			t.Errorf("signed %s, want %s", signed, want)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(signed))
		if want := ":" + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + ":"; signature != want {
			t.Errorf("signature %s, want %s", signature, want)
		}
	}
	if AttestHeader([]byte("another"), touch, "") == AttestHeader(key, touch, "") {
		t.Error("the key does not matter")
	}
}
