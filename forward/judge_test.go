package forward

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 120 ":                         2 * time.Minute,
		"-5":                            0,
		"1.5":                           0,
		"soon":                          0,
		"99999999999999999999999999":    0,
		"9223372036854775807":           maxRetryAfter,
		"86401":                         maxRetryAfter,
		"Fri, 01 May 2026 12:01:00 GMT": time.Minute,
		"Fri, 01 May 2026 11:00:00 GMT": 0,
		"Fri, 01 May 2099 12:00:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("Retry-After %q is %s, want %s", text, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	for status, want := range map[int]Failure{
		301: {}, 304: {}, 400: {}, 404: {}, 410: {Gone: true}, 429: {Throttled: true}, 500: {}, 502: {Throttled: true},
		503: {Throttled: true}, 504: {Throttled: true},
	} {
		var f *Failure
		if err := Judge(&Response{Status: status, Header: http.Header{}}, time.Now()); !errors.As(err, &f) {
			t.Errorf("%d is judged %v", status, err)
		} else if f.Gone != want.Gone || f.Throttled != want.Throttled || f.Permanent {
			t.Errorf("%d is judged %+v", status, f)
		}
	}
	for _, status := range []int{200, 201, 202, 204, 299} {
		if err := Judge(&Response{Status: status}, time.Now()); err != nil {
			t.Errorf("%d is judged %v", status, err)
		}
	}
}

func TestJudgeKey(t *testing.T) {
	var f *Failure
	for name, c := range map[string]struct {
		status     int
		kind, body string
		holds      bool
	}{
		"401":                    {401, "text/html", "<html>no</html>", true},
		"403 of the API":         {403, "application/json; charset=utf-8", `{"error": "this key may not"}`, true},
		"without a type":         {403, "", ` {"error": "this key may not"} `, true},
		"in XML":                 {403, "application/xml", `<Error/>`, true},
		"403 of a firewall":      {403, "text/html; charset=utf-8", "<html>Blocked. Incident 4711</html>", false},
		"a page without a type":  {403, "", "<html>Blocked</html>", false},
		"a page said to be JSON": {403, "application/json", "<html>Blocked</html>", false},
		"XHTML":                  {403, "application/xhtml+xml", "<html/>", false},
		"nothing":                {403, "", "", false},
	} {
		r := &Response{Status: c.status, Header: http.Header{"Content-Type": {c.kind}}, Body: []byte(c.body)}
		err := JudgeKey(r, time.Now())
		if !errors.As(err, &f) || f.Throttled != c.holds || f.Permanent || c.holds != (f.RetryAfter >= time.Minute) {
			t.Errorf("%s is judged %+v", name, err)
		}
	}
	if err := JudgeKey(&Response{Status: 202}, time.Now()); err != nil {
		t.Error(err)
	}
	if err := JudgeKey(&Response{Status: 404}, time.Now()); !errors.As(err, &f) || f.Throttled {
		t.Errorf("404 is judged %+v", err)
	}
}
