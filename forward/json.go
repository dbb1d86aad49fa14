package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
)

// DoJSON is Do of a request with body as JSON, or none where that is nil, and with the header's fields, such as a key. Beside the
// response it returns what the log of attempts keeps of it, without the secrets. The error of a request that cannot be made is
// Permanent.
func (c *Client) DoJSON(
	ctx context.Context, method, target string, header http.Header, body any, secrets ...string,
) (*Response, Answer, error) {
	r, err := newJSON(method, target, body)
	if err != nil {
		return nil, Answer{}, Permanent(err)
	}
	maps.Copy(r.Header, header)
	response, err := c.Do(ctx, r)
	return response, Keep(response, secrets...), err
}

// newJSON is a request with v as JSON for its body, or none where v is nil.
func newJSON(method, target string, v any) (*http.Request, error) {
	var body []byte
	if v != nil {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			return nil, fmt.Errorf("writing the event: %w", err)
		}
		body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	r, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the url makes no request") // the error itself has the url
	}
	if v != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "caddy-affiliate")
	return r, nil
}
