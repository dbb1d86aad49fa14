package tracker

import (
	"net/http"
	"regexp"
	"testing"
)

func TestHasGPC(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{"1"}, true},
		{[]string{"0", "1"}, true},
		{[]string{"1", "1"}, true},
		{[]string{""}, false},
		{[]string{"0"}, false},
		{[]string{"true"}, false},
		{[]string{"01"}, false},
		{[]string{"1.0"}, false},
		{[]string{"1, 1"}, false},
		{[]string{"1;a=b"}, false},
		{[]string{"\"1\""}, false},
	} {
		h := http.Header{}
		for _, value := range test.values {
			h.Add("Sec-GPC", value)
		}
		if got := HasGPC(h); got != test.want {
			t.Errorf("Sec-GPC %q: %v", test.values, got)
		}
	}
}

func TestCookieConsents(t *testing.T) {
	marketing := regexp.MustCompile(`marketing(:|%3A)true`)
	for _, test := range []struct {
		cookies []string
		want    bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"consent=necessary:true"}, false},
		{[]string{"consent=necessary:true,marketing:true"}, true},
		{[]string{"a=b; consent={stamp:%27x%27%2Cmarketing%3Atrue}; c=d"}, true},
		{[]string{"a=b", "consent=\"marketing:true\""}, true},
		{[]string{`consent={"groups":"marketing:true"}`}, true},
		{[]string{"Consent=marketing:true"}, false},
		{[]string{"my_consent=marketing:true"}, false},
		{[]string{"consent2=marketing:true"}, false},
		{[]string{"other=consent=marketing:true"}, false},
		{[]string{"consent=marketing:true; consent=marketing:true"}, true},
		{[]string{"consent=marketing:true; consent=no"}, false}, // somebody withdrew it, or somebody planted it
		{[]string{"consent=no; consent=marketing:true"}, false},
		{[]string{"consent=marketing:true", "consent=no"}, false},
		{[]string{"consent"}, false},
	} {
		if got := CookieConsents(test.cookies, "consent", marketing); got != test.want {
			t.Errorf("%q: %v", test.cookies, got)
		}
	}
}
