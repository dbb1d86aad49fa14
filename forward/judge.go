package forward

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// maxRetryAfter is the longest pause that an endpoint may ask for: the longest of the ladder's.
	maxRetryAfter = tracker.MaxHold
	// refusedWait is how long a destination rests whose endpoint does not take its key: every other event would fare the same.
	refusedWait = time.Minute
)

// Judge says what an answer's status means for a delivery, as Standard Webhooks 1.0 has it: 2xx is success and nothing else is.
// It returns nil or a *Failure.
func Judge(r *Response, now time.Time) error {
	if r.Status >= 200 && r.Status <= 299 {
		return nil
	}
	f := &Failure{Err: fmt.Errorf("the endpoint answered %d", r.Status), RetryAfter: retryAfter(r.Header.Get("Retry-After"), now)}
	switch r.Status {
	case http.StatusGone:
		f.Gone = true
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		f.Throttled = true
	}
	return f
}

// retryAfter reads the header of RFC 9110, seconds or a date; 0 for none, for one that makes no sense, and for the past.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

// Refused is the failure of an attempt whose key the endpoint does not take. The key may be mended, so the attempt is repeated,
// and nothing else is sent for a minute.
func Refused(err error) error {
	return &Failure{Err: err, Throttled: true, RetryAfter: refusedWait}
}

// JudgeKey is Judge for an API with keys: 401 is Refused, and so is a 403 in the API's own form. A firewall before the API answers
// 403 as well, with a page, for what it does not like about one event; that one fails, and no other.
func JudgeKey(r *Response, now time.Time) error {
	if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden && isData(r) {
		return Refused(fmt.Errorf("the endpoint answered %d: it does not take the key, or not for this", r.Status))
	}
	return Judge(r, now)
}

// isData reports whether an answer is what an API sends, JSON or XML, and no page.
func isData(r *Response) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && (strings.HasSuffix(kind, "/xml") || kind == "application/x-jsv" || kind == "text/jsv"):
		return true
	case err == nil && strings.Contains(kind, "html"):
		return false
	}
	return json.Valid(bytes.TrimSpace(r.Body))
}
